"""LangGraph's own SQLite saver and store, opened the way this project wants them.

Each has a file of its own, which only Python's `sqlite3` ever opens. The saver writes the whole state at every
super-step and has no prune, copy or delete by run; it stays selectable by one line of `langgraph.json`:
`"checkpointer": {"path": "./checkpoints/stock.py:open_checkpointer"}`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.store.sqlite.aio import AsyncSqliteStore

from checkpoints.ownership import STOCK_SAVER_FILE, STOCK_STORE_FILE, owned_file, resolve_data_dir


@asynccontextmanager
async def open_checkpointer(data_dir: Path | None = None) -> AsyncIterator[AsyncSqliteSaver]:
    """LangGraph's saver on `checkpoints-stock.db`; state that would import code on load is refused (strict msgpack)."""
    with owned_file(resolve_data_dir(data_dir) / STOCK_SAVER_FILE) as path:
        async with aiosqlite.connect(path) as connection:
            await _durable(connection)
            # None, not the library's default: only the types it knows to be safe are rebuilt from the file.
            saver = AsyncSqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
            await saver.setup()
            yield saver


@asynccontextmanager
async def open_store(data_dir: Path | None = None) -> AsyncIterator[AsyncSqliteStore]:
    """LangGraph's long-term memory store on `store.db`, as it is: nothing in it expires."""
    with owned_file(resolve_data_dir(data_dir) / STOCK_STORE_FILE) as path:
        async with aiosqlite.connect(path, isolation_level=None) as connection:
            await _durable(connection)
            async with AsyncSqliteStore(connection) as store:
                await store.setup()
                yield store


async def _durable(connection: aiosqlite.Connection) -> None:
    """A commit is on the disk when it returns; what SQLite was compiled with does not decide that."""
    await connection.execute("PRAGMA journal_mode=WAL")
    await connection.execute("PRAGMA synchronous=FULL")
