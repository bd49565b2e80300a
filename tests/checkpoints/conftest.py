"""A checkpointer on a file of its own for each test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from checkpoints.file import open_file
from checkpoints.postgres import PostgresState
from checkpoints.postgres.saver import PostgresSaver
from checkpoints.saver import SegmentSaver
from tests.checkpoints.stores import EachStore, OnFile, OnPostgres


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[SegmentSaver]:
    async with open_file(path, **options) as file:
        yield SegmentSaver(file)


@pytest.fixture
async def saver(tmp_path: Path) -> AsyncIterator[SegmentSaver]:
    async with opened(tmp_path / "checkpoints.db") as one:
        yield one


@pytest.fixture
async def postgres_saver(postgres_uri: str) -> AsyncIterator[PostgresSaver]:
    async with PostgresState(postgres_uri).open_checkpointer() as one:
        yield one


@pytest.fixture(params=["file", "postgres"])
async def each_saver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SegmentSaver | PostgresSaver]:
    """What every saver of ours has to do."""
    if request.param == "file":
        async with opened(tmp_path / "checkpoints.db") as one:
            yield one
    else:
        async with PostgresState(request.getfixturevalue("postgres_uri")).open_checkpointer() as another:
            yield another


@pytest.fixture(params=["file", "postgres"])
def each_store(request: pytest.FixtureRequest, tmp_path: Path) -> EachStore:
    """What every store of ours has to do."""
    return OnFile(tmp_path) if request.param == "file" else OnPostgres(request.getfixturevalue("postgres_uri"))
