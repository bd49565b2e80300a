"""The threads a store's file is used on: one that writes, a few that read beside it. The event loop only waits.

Everything queued while a commit was under way becomes the next one, with one sync of the log for all of it: a write is
on the disk when its future has a result. Readers see every write that was answered before they began.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import apsw

from checkpoints.disk import Wal, was_refused

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]

_READERS = 3  # a search over very many items must not hold up everybody's `get`
_BUSY_MILLISECONDS = 5_000


class Connections:
    """Both methods may be called from any thread. What a work raises is its own; the others of a commit go on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = connect(path)
        self._writer.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # the first look makes the log's file
        self._wal = Wal(path)
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._reading = ThreadPoolExecutor(_READERS, thread_name_prefix="store-reader")
        self._lock = threading.Lock()
        self._queue: list[tuple[Work[Any], Future[Any]]] = []
        self._mine = threading.local()
        self._readers: list[apsw.Connection] = []

    def write(self, work: Work[T]) -> Future[T]:
        """Run `work` inside the next transaction."""
        done: Future[T] = Future()
        with self._lock:
            self._queue.append((work, done))
            if len(self._queue) == 1:
                self._writing.submit(self._commit)
        return done

    def read(self, work: Work[T]) -> Future[T]:
        """Run `work` on one unchanging view of what is committed."""
        return self._reading.submit(self._read, work)

    def close(self) -> None:
        """Finish what is queued, and let go of the file."""
        self._reading.shutdown()
        self._writing.shutdown()
        for connection in self._readers:
            connection.close()
        self._wal.close(self._writer)
        self._writer.close()

    def _read(self, work: Work[T]) -> T:
        connection = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = connect(self._path)
            self._readers.append(connection)
        try:
            with connection:
                return work(connection)
        except apsw.Error as error:
            raise told(error, self._path) from error

    def _commit(self) -> None:
        with self._lock:
            queue, self._queue = self._queue, []
        taken = [(work, done) for work, done in queue if done.set_running_or_notify_cancel()]
        finished: list[tuple[Future[Any], Any]] = []
        try:
            self._wal.require()
            self._writer.execute("BEGIN IMMEDIATE")
            for work, done in taken:
                self._carry_out(work, done, finished)
            self._writer.execute("COMMIT")
            self._wal.sync()
        except (apsw.Error, OSError) as error:
            if was_refused(error):
                self._wal.refuse(error)
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            for _, done in taken:
                if not done.done():
                    done.set_exception(told(error, self._path) if isinstance(error, apsw.Error) else error)
            return
        for done, result in finished:
            done.set_result(result)

    def _carry_out(self, work: Work[Any], done: Future[Any], finished: list[tuple[Future[Any], Any]]) -> None:
        """What was wrong with this work alone undoes it alone; any other failure, such as a full disk, the commit."""
        self._writer.execute("SAVEPOINT work")
        try:
            finished.append((done, work(self._writer)))
        except (ValueError, TypeError, apsw.ConstraintError) as error:
            self._writer.execute("ROLLBACK TO work")
            done.set_exception(error)
        self._writer.execute("RELEASE work")


def connect(path: Path) -> apsw.Connection:
    """A connection whose commits survive the process; on the disk they are after a sync of the log."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_MILLISECONDS)
    # Or a statement whose plan could depend on a bound value is planned anew whenever it is run.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    try:
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "normal")
        connection.pragma("foreign_keys", True)
        connection.pragma("cache_size", -16_000)
    except apsw.Error as error:
        connection.close()
        raise told(error, path) from error
    return connection


def told(error: apsw.Error, path: Path) -> OSError:
    """What SQLite could not do, as an error of the operating system that says which file it was."""
    number = errno.ENOSPC if isinstance(error, apsw.FullError) else errno.EIO
    return OSError(number, f"{os.strerror(number)}: {error}", str(path))


def run_alone(path: Path, work: Work[T]) -> T:
    """One transaction on a file that nobody has open yet."""
    connection = connect(path)
    try:
        with connection:
            done = work(connection)
    except apsw.Error as error:
        raise told(error, path) from error
    finally:
        connection.close()
    return done
