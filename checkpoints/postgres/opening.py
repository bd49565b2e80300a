"""Thread state and store in a PostgreSQL database, opened by the same calls as those of a data folder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.store.base import IndexConfig, TTLConfig

from checkpoints.postgres import item_table
from checkpoints.postgres.items import PostgresItemStore
from checkpoints.postgres.pool import (
    PATIENCE_SECONDS,
    Connection,
    DatabaseUnavailableError,
    Pool,
    connected,
    open_pool,
)
from checkpoints.postgres.reindexing import reindex
from checkpoints.postgres.saver import PostgresSaver
from checkpoints.postgres.schema import carry_out, migrate_checkpoints, migrating
from checkpoints.store.index import Index

logger = logging.getLogger(__name__)

_SAVER = "threadkeep checkpoints"
_SAVER_CONNECTIONS = 10
_STORE = "threadkeep store"
_STORE_CONNECTIONS = 5
_SWEEP_MINUTES = 1.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class PostgresState:
    """Any number of processes may open it at the same time. A data folder is not looked at."""

    uri: str
    unavailable: type[Exception] = DatabaseUnavailableError
    """Raised, with a message, when the database cannot be used for longer than `patience_seconds`."""
    patience_seconds: float = PATIENCE_SECONDS
    held: str | None = None
    """A SELECT that gives a row, and locks it, while the run `held_run_id` is at its attempt `held_attempt`. With it, a
    process that has lost a run unawares can store nothing more of it."""

    @asynccontextmanager
    async def open_checkpointer(
        self, data_dir: Path | None = None, *, serde: SerializerProtocol | None = None
    ) -> AsyncIterator[PostgresSaver]:
        """Makes or migrates its tables. OSError or ValueError when the database cannot be had."""
        async with connected(self.uri, _SAVER) as connection:
            await migrate_checkpoints(connection)
            await _warn_of_lost_commits(connection)
        async with self._pool(_SAVER, _SAVER_CONNECTIONS) as pool:
            yield PostgresSaver(pool, serde=serde, held=self.held)

    @asynccontextmanager
    async def open_store(
        self,
        data_dir: Path | None = None,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> AsyncIterator[PostgresItemStore]:
        """Makes or migrates its tables, and sweeps them now and then. `IndexChangedError` when `index` does not go with
        the embeddings that are there, `ValueError` when it names nothing that can embed; else as `open_checkpointer`.
        """
        made = None if index is None else Index(index)
        await self._prepare_store(made)
        async with self._pool(_STORE, _STORE_CONNECTIONS) as pool:
            store = PostgresItemStore(pool, index=made, ttl=ttl, clock=clock)
            minutes = (ttl or {}).get("sweep_interval_minutes") or _SWEEP_MINUTES
            sweeping = asyncio.create_task(self._sweep(store, minutes), name="store sweep")
            try:
                yield store
            finally:
                sweeping.cancel()
                with suppress(asyncio.CancelledError):
                    await sweeping

    async def reindex(self, index: IndexConfig, *, tell: Callable[[int, int], None] = lambda done, of: None) -> int:
        """Embed all items anew; how many those were. No server has the store open, or it finds some of them only."""
        made = Index(index)
        await self._prepare_store(None)
        async with self._pool(_STORE, 1) as pool:
            return await reindex(pool, made, tell)

    async def _prepare_store(self, index: Index | None) -> None:
        async with connected(self.uri, _STORE) as connection, migrating(connection) as cursor:
            await carry_out(cursor, "store_item_migrations", item_table.MIGRATIONS)
            if index is not None:
                index.check_against(await item_table.facts(cursor), f"the database {urlsplit(self.uri).path[1:]!r}")
                await item_table.note_facts(cursor, index.facts())

    def _pool(self, name: str, size: int) -> AbstractAsyncContextManager[Pool]:
        return open_pool(
            self.uri, size=size, name=name, unavailable=self.unavailable, patience_seconds=self.patience_seconds
        )

    async def _sweep(self, store: PostgresItemStore, minutes: float) -> None:
        while True:
            try:
                if swept := await store.sweep_ttl():
                    logger.info("%d expired store items removed", swept)
            except self.unavailable as error:
                logger.warning("expired store items could not be removed, and will be tried again: %s", error)
            await asyncio.sleep(minutes * 60)


async def _warn_of_lost_commits(connection: Connection) -> None:
    row = await (await connection.execute("SHOW synchronous_commit")).fetchone()
    if row is not None and row["synchronous_commit"] == "off":
        logger.warning(
            "The database has synchronous_commit = off: what a run has stored can be lost when its server crashes."
        )
