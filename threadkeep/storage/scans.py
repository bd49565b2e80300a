"""Queries that may have to look at very many rows: on a connection and a thread of their own, so that no run and no
stream waits for them. SQLite lets go of the interpreter while it searches.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import apsw

from threadkeep.errors import UnavailableError
from threadkeep.storage.connection import Arguments, Row
from threadkeep.storage.sqlite_errors import STOPPING, translated

_STEPS_BETWEEN_LOOKS = 1_000_000  # of SQLite's; some tens of milliseconds


class Scans:
    """One after the other. What was committed before one is asked for is seen by it."""

    def __init__(self, path: Path, vfs: str | None) -> None:
        self._path = path
        self._vfs = vfs
        self._thread = ThreadPoolExecutor(1, "threadkeep-scan")
        self._connection: apsw.Connection | None = None
        self._stopping = False

    async def rows(self, sql: str, arguments: Arguments) -> list[Row]:
        if self._stopping:
            raise UnavailableError(STOPPING)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._rows, sql, arguments)

    def _rows(self, sql: str, arguments: Arguments) -> list[Row]:
        if self._stopping:
            raise UnavailableError(STOPPING)
        try:
            return self._opened().execute(sql, arguments).fetchall()
        except apsw.Error as error:
            raise translated(error, self._path) from error

    def _opened(self) -> apsw.Connection:
        if self._connection is None:
            self._connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY, vfs=self._vfs)
            # As the connection that writes: plans are kept, and what is sorted goes to no folder but the server's own.
            self._connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            self._connection.execute("PRAGMA temp_store=MEMORY")
            self._connection.set_progress_handler(lambda: self._stopping, _STEPS_BETWEEN_LOOKS)
        return self._connection

    @asynccontextmanager
    async def kept_off(self) -> AsyncIterator[None]:
        """None reads while the block lasts; it begins when those that were asked for before it are done."""
        loop = asyncio.get_running_loop()
        turn = asyncio.Event()
        over = threading.Event()

        def wait() -> None:
            loop.call_soon_threadsafe(turn.set)
            over.wait()

        self._thread.submit(wait)
        try:
            await turn.wait()
            yield
        finally:
            over.set()

    def stop(self) -> None:
        """Those that are under way or wait end with `UnavailableError`, and so does whatever is asked from now on."""
        self._stopping = True

    async def close(self) -> None:
        """After `stop`."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._connection is not None:
            self._connection.close()
