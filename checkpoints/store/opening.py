"""Opening the store of a data folder: whose file it is, what it was made with, what older versions left beside it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import apsw
from langgraph.store.base import IndexConfig, TTLConfig

from checkpoints.ownership import owned_file, resolve_data_dir
from checkpoints.store import table
from checkpoints.store.connections import Connections, run_alone
from checkpoints.store.import_stock import take_over_stock
from checkpoints.store.index import Index
from checkpoints.store.items import Clock, ItemStore

logger = logging.getLogger(__name__)

OUR_FILE = "items.db"
_SWEEP_MINUTES = 1.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def open_store(
    data_dir: Path | None = None,
    *,
    index: IndexConfig | None = None,
    ttl: TTLConfig | None = None,
    clock: Clock = _utc_now,
) -> AsyncIterator[ItemStore]:
    """The store on `items.db`; None reads the environment's DATA_DIR, else ./data. One opener at a time.

    `index` makes search by meaning, `ttl` says what expires when nobody said so and how often the file is swept.
    Items of LangGraph's own store in the folder are taken over first. Raises `IndexChangedError` when `index` does not
    go with the embeddings that are there, `ValueError` when it names nothing that can embed.
    """
    folder = resolve_data_dir(data_dir)
    made = None if index is None else Index(index)
    with owned_file(folder / OUR_FILE) as path:
        await asyncio.to_thread(run_alone, path, lambda connection: _prepare(connection, path, made))
        await asyncio.to_thread(take_over_stock, folder, path)
        last_change = await asyncio.to_thread(run_alone, path, table.last_change)
        connections = Connections(path)
        store = ItemStore(connections, last_change=last_change, index=made, ttl=ttl, clock=clock)
        minutes = (ttl or {}).get("sweep_interval_minutes") or _SWEEP_MINUTES
        sweeping = asyncio.create_task(_sweep(store, minutes), name="store sweep")
        try:
            yield store
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping
            await asyncio.to_thread(connections.close)


def _prepare(connection: apsw.Connection, path: Path, index: Index | None) -> None:
    table.prepare(connection, path)
    if index is None:
        return
    index.check_against(table.facts(connection), str(path))
    table.note_facts(connection, index.facts())


async def _sweep(store: ItemStore, minutes: float) -> None:
    while True:
        try:
            if swept := await store.sweep_ttl():
                logger.info("%d expired store items removed", swept)
        except OSError as error:
            logger.warning("expired store items could not be removed, and will be tried again: %s", error)
        await asyncio.sleep(minutes * 60)
