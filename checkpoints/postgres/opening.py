"""Thread state and store in a PostgreSQL database, opened by the same calls as those of a data folder."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from langgraph.checkpoint.serde.base import SerializerProtocol

from checkpoints.postgres.pool import PATIENCE_SECONDS, Connection, DatabaseUnavailableError, connected, open_pool
from checkpoints.postgres.saver import PostgresSaver
from checkpoints.postgres.schema import migrate_checkpoints

logger = logging.getLogger(__name__)

_SAVER_CONNECTIONS = 10
_SAVER_NAME = "threadkeep checkpoints"


@dataclass(frozen=True, slots=True)
class PostgresState:
    """Any number of processes may open it at the same time. A data folder is not looked at."""

    uri: str
    unavailable: type[Exception] = DatabaseUnavailableError
    """Raised, with a message, when the database cannot be used for longer than `patience_seconds`."""
    patience_seconds: float = PATIENCE_SECONDS

    @asynccontextmanager
    async def open_checkpointer(
        self, data_dir: Path | None = None, *, serde: SerializerProtocol | None = None
    ) -> AsyncIterator[PostgresSaver]:
        """Makes or migrates its tables. OSError or ValueError when the database cannot be had."""
        async with connected(self.uri, _SAVER_NAME) as connection:
            await migrate_checkpoints(connection)
            await _warn_of_lost_commits(connection)
        opening = open_pool(
            self.uri,
            size=_SAVER_CONNECTIONS,
            name=_SAVER_NAME,
            unavailable=self.unavailable,
            patience_seconds=self.patience_seconds,
        )
        async with opening as pool:
            yield PostgresSaver(pool, serde=serde)


async def _warn_of_lost_commits(connection: Connection) -> None:
    row = await (await connection.execute("SHOW synchronous_commit")).fetchone()
    if row is not None and row["synchronous_commit"] == "off":
        logger.warning(
            "The database has synchronous_commit = off: what a run has stored can be lost when its server crashes."
        )
