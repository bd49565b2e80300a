"""Waiting for what a server does, always with a bound: a test never sleeps in the hope that something has happened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

SECONDS = 20.0


async def until(asked: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
    """Ask again and again until what comes back is as wanted; it is given back."""
    async with asyncio.timeout(SECONDS):
        while not holds(found := await asked()):  # noqa: ASYNC110 - the server is another process
            await asyncio.sleep(0.01)
        return found


async def until_true(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 - what it looks at is filled by another task
            await asyncio.sleep(0.01)


async def told(logs: Sequence[Mapping[str, Any]], event: str, times: int) -> None:
    """Wait until captured log lines say so often that this has happened."""
    await until_true(lambda: sum(line["event"] == event for line in logs) >= times)
