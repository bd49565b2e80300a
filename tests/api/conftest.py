"""Real SDK clients on the session's servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.processes import ServerProcess


@pytest.fixture
async def sdk(trial: ServerProcess) -> AsyncIterator[LangGraphClient]:
    """The async client, on the server with the trial graphs."""
    async with get_client(url=trial.url, api_key=None) as client:
        yield client


@pytest.fixture
async def shipped_sdk(shipped: ServerProcess) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=shipped.url, api_key=None) as client:
        yield client


@pytest.fixture
async def raw(trial: ServerProcess) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP, for what the SDK hides."""
    async with httpx.AsyncClient(base_url=trial.url, timeout=30) as client:
        yield client
