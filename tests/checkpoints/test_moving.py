"""Whatever threads a data folder has, moved to PostgreSQL they read the same, and the move finds no difference."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.postgres import PostgresState, move_threads
from tests.checkpoints.conftest import opened
from tests.checkpoints.program import TURNS, Turn
from tests.checkpoints.reference import Compared, Reference
from tests.checkpoints.test_property import EXAMPLES, LIVES, Life

TABLES = "checkpoints, checkpoint_blobs, checkpoint_writes, checkpoint_writes_replaced"


async def lived(turns: list[Turn], path: Path) -> list[Any]:
    """Carries out the turns on a file; what a reader sees of it afterwards."""
    life = Life(lambda: opened(path))
    await life.open()
    async with life.stack:
        for turn in turns:
            await life.do(turn)
        return await read(life.saver.saver)


async def read(saver: Any) -> list[Any]:
    """Every checkpoint; of its versions, which are text there, only what they stand for."""
    plain = Compared(saver, Reference()).plain
    found = []
    async for one in saver.alist(None):
        values, writes = plain(one.checkpoint["channel_values"]), sorted(map(plain, one.pending_writes or ()))
        found.append((one.config, one.parent_config, one.metadata, values, writes))
    return sorted(found, key=repr)


async def move(uri: str, path: Path, turns: list[Turn]) -> None:
    before = await lived(turns, path)
    first = await move_threads(uri, path, lambda done, of: None)
    again = await move_threads(uri, path, lambda done, of: None, copy=False)
    assert first.different == again.different == []
    assert again.threads == 0
    async with PostgresState(uri).open_checkpointer() as saver:
        assert await read(saver) == before


@settings(**{**LIVES, "max_examples": EXAMPLES // 5})
@given(turns=st.lists(TURNS, min_size=1, max_size=10))
def test_a_moved_thread_reads_the_same_and_compares_as_the_same(postgres_uri: str, turns: list[Turn]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(move(postgres_uri, Path(folder) / "checkpoints.db", turns))
    with psycopg.connect(postgres_uri) as connection:
        connection.execute(f"TRUNCATE {TABLES}".encode())
