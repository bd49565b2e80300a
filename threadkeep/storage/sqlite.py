"""One SQLite file behind one connection, with writes grouped into one transaction per tick of the event loop.

The rule it keeps: `write` returns only after its transaction is committed, which a killed process cannot undo, and with
`durable=True` only after the write-ahead log is on the disk (`wal_sync.py`), which a power cut cannot undo either. All
writes of a tick share one commit, and all durable writers that wait share one `fdatasync`. Measured beside a writer
thread, writing inline like this is the faster way and never hands the interpreter lock around.

SQLite older than 3.51.3 can corrupt a WAL file that two connections use; `apsw` ships a newer one. No other SQLite
library may ever open this file in this process. What the tables mean is the business of the modules beside this one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
import structlog

from threadkeep.errors import ThreadkeepError, UnavailableError
from threadkeep.storage.connection import Arguments, Connection, Row
from threadkeep.storage.database import Settled, Work
from threadkeep.storage.dialect import SQLITE, Dialect
from threadkeep.storage.migrations import migrate
from threadkeep.storage.scans import Scans
from threadkeep.storage.sqlite_errors import translated
from threadkeep.storage.wal_sync import WalSync

log = structlog.get_logger("threadkeep.storage")

T = TypeVar("T")

_PAGES_BEFORE_COPY = 4_000  # 16 MB; earlier the same pages are copied into the file more often
_PAGES_BEFORE_NEXT_TRY = 1_000  # where a reader of another process was in the way
_OTHERS_WAIT_MILLISECONDS = 2_000


@dataclass(slots=True)
class _Queued:
    work: Work[Any]
    done: asyncio.Future[Any]
    durable: bool


@dataclass(frozen=True, slots=True)
class Disk:
    """What stands between the database and the device; another one only where a disk has to fail on purpose."""

    vfs: str | None = None
    """The name of a SQLite VFS; None for the system's own."""
    sync: Callable[[int], None] = os.fdatasync
    """Given the write-ahead log's descriptor, returns when all that was written to it is on the device."""


class SqliteConnection(apsw.Connection):
    """SQLite has one writer at a time and one server a file, so there is nobody to lock out and nobody to tell."""

    dialect = SQLITE

    def lock(self, *keys: str) -> None:
        pass

    def try_lock(self, key: str) -> bool:
        return True

    def tell(self, news: str) -> None:
        pass


class SqliteDatabase:
    """A `Database`, made by `open_sqlite`; every method is called from the event loop that opened it."""

    dialect: Dialect = SQLITE

    def __init__(self, path: Path, connection: SqliteConnection, thread: ThreadPoolExecutor, disk: Disk) -> None:
        self.path = path
        self._disk = disk
        self._connection = connection
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._queued: list[_Queued] = []
        self._wal = os.open(f"{path}-wal", os.O_RDONLY)
        self._log = WalSync(partial(disk.sync, self._wal), thread)
        self._scans = Scans(path, disk.vfs)
        self._inode = path.stat().st_ino
        self._wal_pages = 0
        self._copy_at = _PAGES_BEFORE_COPY
        self._copying = False
        self._paused = False
        self._background: set[asyncio.Task[None]] = set()
        connection.set_wal_hook(self._note_wal_pages)

    @property
    def name(self) -> str:
        return str(self.path)

    async def read(self, sql: str, arguments: Arguments = ()) -> list[Row]:
        """Inline: small queries are answered faster than a thread is woken."""
        try:
            return list(self._connection.execute(sql, arguments))
        except apsw.Error as error:
            raise translated(error, self.path) from error

    async def read_one(self, sql: str, arguments: Arguments = ()) -> Row | None:
        rows = await self.read(sql, arguments)
        return rows[0] if rows else None

    async def scan(self, sql: str, arguments: Arguments = ()) -> list[Row]:
        return await self._scans.rows(sql, arguments)

    def hold(self, key: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()  # the folder is this process's alone

    async def check_writable(self) -> None:
        """Raises what a write would raise now, also when the file was taken away under the open connection."""
        try:
            same = self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            raise UnavailableError(
                f"{self.path} was removed or replaced while open; what is written now would be lost."
            )
        if self._log.refused is not None:
            raise UnavailableError(self._log.refused)
        await self.write(_touch, durable=False)

    async def quick_check(self) -> list[str]:
        """What SQLite finds wrong with the file, on a thread and a connection of its own; empty when it is sound."""
        return await self._loop.run_in_executor(None, _quick_check, self.path, self._disk)

    async def write(self, work: Work[T], *, durable: bool = True, settled: Settled[T] | None = None) -> T:
        """Run `work` inside the tick's transaction and give back what it returned.

        An error of ours that `work` raises undoes this work alone and is raised here; the others of the tick go on.
        """
        done: asyncio.Future[T] = self._loop.create_future()
        if settled is not None:
            done.add_done_callback(settled)
        if not self._queued:
            self._loop.call_soon(self._commit_queued)
        self._queued.append(_Queued(work, done, durable))
        # A caller that is cancelled must not take its work back: the commit may already have happened.
        return await asyncio.shield(done)

    @property
    def promised(self) -> int:
        return self._log.promised

    def is_on_disk(self, place: int) -> bool:
        return self._log.has(place)

    async def sync(self, upto: int | None = None) -> None:
        """All who wait share one `fdatasync`; with nothing left to sync there is none."""
        place = self._log.committed if upto is None else upto
        if not self._log.has(place):
            done: asyncio.Future[None] = self._loop.create_future()
            self._log.resolve(done, place=place)
            await asyncio.shield(done)

    def start_sync(self, upto: int) -> None:
        self._log.start(upto)

    def sync_soon(self) -> int:
        return self._log.start_soon()

    def _commit_queued(self) -> None:
        if self._paused:
            return  # `_copy_log` calls again
        batch, self._queued = self._queued, []
        finished: list[tuple[_Queued, Any]] = []
        failure: ThreadkeepError = UnavailableError("The transaction was abandoned; nothing was stored.")
        committed = False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for item in batch:
                self._run_one(item, finished, alone=len(batch) == 1)
            if self._connection.in_transaction:  # else the only work was undone
                self._connection.execute("COMMIT")
                committed = True
        except apsw.Error as error:
            failure = translated(error, self.path)
        finally:
            if not committed:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                for item in batch:
                    _reject(item.done, failure)
        if committed:
            self._report(finished)

    def _run_one(self, item: _Queued, finished: list[tuple[_Queued, Any]], *, alone: bool) -> None:
        """What the work raises undoes it alone, unless it is the file's fault, such as a full disk: then all of it."""
        if not alone:  # whose transaction is its own needs no other mark to go back to
            self._connection.execute("SAVEPOINT work")
        try:
            result = item.work(self._connection)
        except Exception as error:
            if isinstance(error, apsw.Error) and not isinstance(error, apsw.ConstraintError):
                raise
            self._connection.execute("ROLLBACK" if alone else "ROLLBACK TO work")
            _reject(item.done, translated(error, self.path) if isinstance(error, apsw.Error) else error)
        else:
            finished.append((item, result))
        if not alone:
            self._connection.execute("RELEASE work")

    def _report(self, finished: list[tuple[_Queued, Any]]) -> None:
        self._log.note_commit()
        for item, result in finished:
            if item.done.done():
                continue
            if item.durable:
                self._log.resolve(item.done, result)
            else:
                item.done.set_result(result)
        if self._wal_pages >= self._copy_at and not self._copying:
            self._in_background(self._copy_log())

    def _note_wal_pages(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        if pages < self._wal_pages:  # it has started over
            self._copy_at = _PAGES_BEFORE_COPY
        self._wal_pages = pages
        return apsw.SQLITE_OK

    async def _copy_log(self) -> None:
        """Copy the log into the file, so that it starts over: most of it while writing goes on, the rest in a pause.

        Nothing waits for a lock: what a reader of another process still needs stays in the log until the next time.
        """
        self._copying = True
        try:
            async with self._scans.kept_off():
                await self._copy_on_thread()
                self._paused = True
                await self._copy_on_thread()
        except apsw.Error as error:
            if getattr(error, "extendedresult", None) == apsw.SQLITE_IOERR_FSYNC:  # the disk told SQLite
                self._log.refuse(error)
            else:
                log.warning("log_not_copied", path=str(self.path), error=str(error))
        finally:
            self._copy_at = self._wal_pages + _PAGES_BEFORE_NEXT_TRY
            self._copying = self._paused = False
            if self._queued:
                self._commit_queued()

    async def _copy_on_thread(self) -> None:
        """On the thread that syncs, so that neither happens while the other does."""
        if self._log.refused is None:
            await self._loop.run_in_executor(self._thread, _copy_into_file, self.path, self._disk)

    def _in_background(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def close(self) -> None:
        self._scans.stop()
        while self._queued or self._background:
            await asyncio.gather(*self._background)
            await asyncio.sleep(0)
        await self._scans.close()
        await self._log.close()
        if self._log.refused is not None:
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        os.close(self._wal)
        self._connection.close()


@asynccontextmanager
async def open_sqlite(path: Path, disk: Disk | None = None) -> AsyncIterator[SqliteDatabase]:
    """Open (or make) and migrate the file; raises `CorruptError` or `UnavailableError` with what to do."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="threadkeep-disk") as thread:
        disk = disk or Disk()
        database = SqliteDatabase(path, _connect(path, disk), thread, disk)
        try:
            yield database
        finally:
            await database.close()


def _connect(path: Path, disk: Disk) -> SqliteConnection:
    try:
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = SqliteConnection(str(path), vfs=disk.vfs)
        connection.set_busy_timeout(_OTHERS_WAIT_MILLISECONDS)
        # Or a statement whose plan could depend on a bound value is planned anew whenever it is run.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-4000")
        connection.execute("PRAGMA temp_store=MEMORY")
        migrate(connection, path)
        # What the last process left may never have been synced, or the disk refused it. With somebody else's reader in
        # the way it stays in the log, for the first sync of that.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except apsw.Error as error:
        raise translated(error, path) from error
    return connection


def _copy_into_file(path: Path, disk: Disk) -> None:
    connection = apsw.Connection(str(path), vfs=disk.vfs)
    try:
        # The pragma, not the call: a connection that has read nothing yet does not know of the log.
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    finally:
        connection.close()


def _quick_check(path: Path, disk: Disk) -> list[str]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=disk.vfs)
    try:
        return [str(line) for (line,) in connection.execute("PRAGMA quick_check(5)") if line != "ok"]
    except apsw.Error as error:
        return [str(error)]
    finally:
        connection.close()


def _touch(connection: Connection) -> None:
    """The smallest real write."""
    [(version,)] = connection.execute("PRAGMA user_version").fetchall()
    connection.execute(f"PRAGMA user_version={version}")


def _reject(done: asyncio.Future[Any], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
