"""Fixtures that several folders use. Strict msgpack is set before LangGraph is imported, as the server does."""

from __future__ import annotations

import os

os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
os.environ.setdefault("MODEL", "offline")
os.environ["LANGSMITH_TRACING"] = "false"

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.postgres import database_for, fresh_database
from tests.processes import LOOKALIKE_PROJECT, TRIAL_PROJECT, ServerProcess, running_server
from threadkeep.storage.database import Database
from threadkeep.storage.postgres import open_postgres
from threadkeep.storage.sqlite import open_sqlite


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server with the three shipped graphs and the offline model, for all tests that leave each other alone."""
    with running_server(tmp_path_factory.mktemp("shipped") / "data") as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def trial(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server with the graphs of `tests/projects/trial`: what the shipped ones do not do. Once on a data folder, and
    once on PostgreSQL: whoever talks to it sees no difference."""
    folder = tmp_path_factory.mktemp("trial") / "data"
    with (
        database_for(request.param) as environment,
        running_server(folder, config=TRIAL_PROJECT, environment=environment) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def lookalike(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server with somebody else's project, whose folders are called like ours."""
    with running_server(tmp_path_factory.mktemp("lookalike") / "data", config=LOOKALIKE_PROJECT) as server:
        yield server


@pytest.fixture
def http(shipped: ServerProcess) -> Iterator[httpx.Client]:
    with shipped.client() as client:
        yield client


@pytest.fixture
def trial_http(trial: ServerProcess) -> Iterator[httpx.Client]:
    with trial.client() as client:
        yield client


@pytest.fixture
def lookalike_http(lookalike: ServerProcess) -> Iterator[httpx.Client]:
    with lookalike.client() as client:
        yield client


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def postgres_uri() -> Iterator[str]:
    """An empty PostgreSQL database of the test's own; see `tests/postgres.py` for where the server is."""
    with fresh_database() as uri:
        yield uri


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """The server's own tables, empty, in each of the databases that they may be in."""
    if request.param == "sqlite":
        async with open_sqlite(tmp_path / "server.db") as file:
            yield file
    else:
        async with open_postgres(request.getfixturevalue("postgres_uri"), connections=4) as server:
            yield server
