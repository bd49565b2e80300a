"""Group commit: rows queued during one turn of the event loop become one transaction at its end.

One connection writes. A commit is in the kernel's hands when its writer is answered (it survives `kill -9`), and on
the disk when `flush` returns: one fdatasync of the WAL (`disk.py`) serves everybody who waits. Nothing here ever waits
for a lock on the event loop: a file held by another process leaves the rows queued, in order, and is tried again later.

Rewriting work (removal, copy, import) takes a turn of its own in a worker thread: `alone` stops commits and new rows
meanwhile, so that its one transaction sees a file that stands still.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import apsw

from checkpoints.disk import DiskRefusedError, Wal, was_refused
from checkpoints.rows import Rows, forget_checkpoint, insert

logger = logging.getLogger(__name__)

CHECKPOINT_PAGES = 4_000  # 16 MB of WAL: copy it into the database file, on a worker thread
_SWOLLEN = 4
_RETRY_SECONDS = 0.02
_HELD_ELSEWHERE = (apsw.BusyError, apsw.LockedError)
_REFUSED = (apsw.Error, ValueError, TypeError)  # the last two: a name that is not text SQLite can hold


class Journal:
    """The one writer of a checkpoint file. Its `lock` guards the queue and the connection between threads."""

    def __init__(
        self,
        writer: apsw.Connection,
        second: apsw.Connection,
        wal: Wal,
        on_failure: Callable[[set[int]], None],
        wal_pages: int = CHECKPOINT_PAGES,
    ) -> None:
        self.lock = threading.RLock()
        self.writer = writer
        self._second = second  # rewrites and copies the WAL, on worker threads
        self.wal = wal
        self._on_failure = on_failure  # told the namespaces whose rows were refused, before their writers are
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._process = os.getpid()
        self._queue: list[Rows] = []
        self._scheduled = False
        self._still = False  # `alone` is at work
        self._moving = threading.Condition(self.lock)
        self._moving_waiters: list[asyncio.Future[None]] = []
        self._one_rewrite = threading.RLock()  # whoever has it has the second connection
        self._one_connection = second is writer
        self._commits, self._synced = 1, 0  # the first stands for what the last process may have left in the WAL
        self.written_checkpoints = self.written_bytes = 0
        self._sync: asyncio.Future[None] | None = None
        self._disk = ThreadPoolExecutor(2, thread_name_prefix="checkpoints")
        self._copying = False
        self._wal_pages = 0
        self._most_wal_pages = wal_pages
        writer.set_wal_hook(self._note_wal)

    @property
    def on_loop(self) -> bool:
        """Whether the caller runs in the event loop that opened the file, where waiting must not block."""
        return threading.get_ident() == self._thread

    @property
    def must_wait(self) -> bool:
        """Whether new rows have to wait: `alone` is at work, or the WAL grows faster than it is copied."""
        return self._still or (self._copying and self._wal_pages > _SWOLLEN * self._most_wal_pages)

    # -- queueing ---------------------------------------------------------------------------------------------------

    def add(self, rows: Rows) -> None:
        """Queue rows for the commit at the end of this turn of the loop. The caller holds `lock`."""
        if os.getpid() != self._process:
            raise RuntimeError("this checkpointer was opened by another process; open it after the fork")
        self._queue.append(rows)
        if self.on_loop:
            rows.waiter = self._loop.create_future()
            self._schedule()

    def committed(self, rows: Rows) -> Awaitable[None]:
        """Await it until the rows are committed, then look at their `error`; a cancelled waiter leaves them queued."""
        return asyncio.to_thread(self.drain) if rows.waiter is None else rows.waiter

    def commit_here(self, rows: Rows) -> None:
        """The same for a thread that may block."""
        self.drain()
        if rows.error is not None:
            raise rows.error

    def drain(self) -> None:
        """Commit what is queued, in the caller's thread, as often as it takes."""
        with self.lock:
            while self._queue:
                self._moving.wait_for(lambda: not self._still)
                if not self._commit():
                    self._moving.wait(_RETRY_SECONDS)

    def try_drain(self) -> bool:
        """Commit what is queued if nothing stands in the way; False if the file is held elsewhere."""
        with self.lock:
            return not self._queue or (not self._still and self._commit())

    async def drained(self) -> None:
        """Wait until everything queued so far is committed, without blocking the loop."""
        if self.try_drain():
            return
        if not self.on_loop:
            await asyncio.to_thread(self.drain)
            return
        with self.lock:
            waiters = [rows.waiter for rows in self._queue if rows.waiter is not None]
        await (asyncio.wait(waiters) if waiters else asyncio.sleep(_RETRY_SECONDS))
        if not self.try_drain():
            await self.drained()

    def _schedule(self, delay: float = 0.0) -> None:
        if not self._scheduled:
            self._scheduled = True
            if delay:
                self._loop.call_later(delay, self._tick)
            else:
                self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        self._scheduled = False
        with self.lock:
            if self._queue and not self._still and not self._commit():
                self._schedule(_RETRY_SECONDS)

    # -- committing -------------------------------------------------------------------------------------------------

    def _commit(self) -> bool:
        """One transaction for the whole queue. False: the file is held by someone else, and nothing has changed."""
        queue, self._queue = self._queue, []
        try:
            self._execute(queue)
        except _HELD_ELSEWHERE:
            self._queue = queue + self._queue
            return False
        except _REFUSED:
            self._commit_apart(queue)
        except BaseException:
            self._queue = queue + self._queue
            raise
        self._commits += 1
        self._answer(queue)
        if self._wal_pages > self._most_wal_pages and not self._copying and self.wal.refused is None:
            self._copying = True
            self._disk.submit(self._copy_wal)
        return True

    def _execute(self, queue: list[Rows]) -> None:
        writer = self.writer
        writer.execute("BEGIN IMMEDIATE")
        try:
            for rows in queue:
                if rows.replaces:
                    forget_checkpoint(writer, rows.namespace, rows.checkpoint_id)
            written = insert(writer, queue)
            writer.execute("COMMIT")
        except BaseException:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            raise
        self.written_bytes += written
        # A checkpoint's own entry is the one of no task.
        self.written_checkpoints += sum(rows.ordinal == 0 for rows in queue)

    def _commit_apart(self, queue: list[Rows]) -> None:
        """After a refused batch: each on its own, so that a row SQLite refuses harms only its own thread."""
        refused: dict[int, Exception] = {}
        for index, rows in enumerate(queue):
            rows.error = refused.get(rows.namespace)
            if rows.error is None:
                try:
                    self._execute([rows])
                except _HELD_ELSEWHERE:
                    self._queue = queue[index:] + self._queue
                    del queue[index:]
                    self._schedule_retry()
                    break
                except _REFUSED as error:
                    refused[rows.namespace] = rows.error = error
        if refused:
            self._on_failure(set(refused))

    def _schedule_retry(self) -> None:
        self._loop.call_soon_threadsafe(self._schedule, _RETRY_SECONDS)

    def _answer(self, queue: list[Rows]) -> None:
        for rows in queue:
            rows.settle()
        if self.on_loop:
            _resolve([rows.waiter for rows in queue])
        elif any(rows.waiter for rows in queue):
            self._loop.call_soon_threadsafe(_resolve, [rows.waiter for rows in queue])

    def count_commit(self) -> None:
        """A rewriting has committed on the other connection: the next flush has something to sync."""
        self._commits += 1

    # -- the disk ---------------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Return when everything queued before the call survives a power cut; waiters share one fdatasync.

        Raises `DiskRefusedError` when the disk does not take it, or has refused anything before.
        """
        await self.drained()
        if not self.on_loop:
            await asyncio.to_thread(self._sync_now)
            return
        target = self._commits
        while self._synced < target:
            if self._sync is None or self._sync.done():
                self._sync = self._loop.run_in_executor(self._disk, self._sync_now)
            await asyncio.shield(self._sync)

    def _sync_now(self) -> None:
        reached = self._commits
        self.wal.sync()
        self._synced = max(self._synced, reached)

    def _note_wal(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _copy_wal(self) -> None:
        """Copy the WAL into the database file: most of it while commits go on, the rest while they pause.

        Without the pause a busy server never lets the WAL start over, and it grows without bound.
        """
        try:
            with self._one_rewrite:
                if not self._one_connection:
                    self._second.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                with self.alone():
                    self._second.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            if was_refused(error):
                self.wal.refuse(error)
            logger.warning("the WAL could not be copied into the checkpoint file: %s", error)
        finally:
            with self.lock:
                self._copying = False
                self._wake()

    @contextmanager
    def alone(self) -> Iterator[apsw.Connection]:
        """Commit what is queued, then keep everybody else from writing. For worker threads; may wait long."""
        with self._one_rewrite:
            with self.lock:
                self.drain()
                self._still = True
            try:
                with self.lock if self._one_connection else nullcontext():
                    try:
                        yield self._second
                    finally:
                        if self._second.in_transaction:
                            self._second.execute("ROLLBACK")
            finally:
                with self.lock:
                    self._still = False
                    self._wake()

    def _wake(self) -> None:
        self._moving.notify_all()
        waiters, self._moving_waiters = self._moving_waiters, []
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._move_on, waiters)

    def _move_on(self, waiters: list[asyncio.Future[None]]) -> None:
        _resolve(waiters)
        self._tick()

    async def writable(self) -> None:
        """Wait until new rows are taken, without blocking the loop."""
        while self.must_wait:
            if not self.on_loop:
                await asyncio.to_thread(self.wait_writable)
                continue
            with self.lock:
                if not self.must_wait:
                    return
                waiter = self._loop.create_future()
                self._moving_waiters.append(waiter)
            await waiter

    def wait_writable(self) -> None:
        """Wait until new rows are taken, in the caller's thread."""
        with self.lock:
            self._moving.wait_for(lambda: not self.must_wait)

    def close(self) -> None:
        """Commit what is queued, make it power-safe, and empty the WAL."""
        self._disk.shutdown()
        with self._one_rewrite:  # a removal whose caller was cancelled ends first
            deadline = time.monotonic() + 10
            while not self.try_drain() and time.monotonic() < deadline:
                time.sleep(_RETRY_SECONDS)
            self.writer.set_wal_hook(None)
            if self._synced < self._commits:
                with suppress(DiskRefusedError):  # said already
                    self.wal.sync()
            self.wal.close(self.writer)


def _resolve(waiters: list[Any]) -> None:
    for waiter in waiters:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
