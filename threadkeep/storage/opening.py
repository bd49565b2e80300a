"""Which database the server's own tables are in: one file of the data folder, or PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from threadkeep.errors import StartupError
from threadkeep.settings import Settings
from threadkeep.storage.database import Database
from threadkeep.storage.folder import hold_folder
from threadkeep.storage.sqlite import Disk, open_sqlite


class Shared(Protocol):
    process: str
    """Who this process is among those that share the database."""

    async def listen(self, heard: Callable[[str], None], missed: Callable[[], None]) -> None:
        """Until cancelled, call `heard` with each thing another process tells, and `missed` when some may be lost."""


@dataclass(frozen=True, slots=True)
class Opened:
    database: Database
    left_in_a_hurry: bool = False
    """The process that had the file before was killed, so that a look at it is due."""
    shared: Shared | None = None
    """How to hear of the other processes, where there may be any."""


@asynccontextmanager
async def open_database(settings: Settings, disk: Disk | None = None) -> AsyncIterator[Opened]:
    """Open (or make) and migrate it; `StartupError` with what to do when that cannot be. A `disk` is for the file."""
    if settings.database_uri:
        if not settings.database_uri.startswith(("postgresql://", "postgres://")):
            raise StartupError("DATABASE_URI must begin with postgresql://; without it, DATA_DIR holds everything.")
        from threadkeep.storage.postgres import open_postgres  # noqa: PLC0415 - a data folder needs no driver

        async with open_postgres(settings.database_uri, connections=settings.database_pool_size) as database:
            yield Opened(database, shared=database)
        return
    with hold_folder(settings.data_dir) as held:
        async with open_sqlite(held.path / "server.db", disk) as file:
            yield Opened(file, held.left_in_a_hurry)
