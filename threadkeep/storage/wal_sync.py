"""How the write-ahead log gets to the disk: one `fdatasync` for all who wait, and one that follows for what is left.

Commits are counted, and so is how many of them the disk has; a place is such a number. The log is read from its
beginning up to the first frame that is not whole, so that a commit is on the disk only together with all before it.

Once the disk has refused, nobody can tell what it has: the kernel counts the pages as written, and the next `fdatasync`
would say that all is well. So nothing is taken for synced any more until the file has been opened anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog

from threadkeep.errors import UnavailableError

log = structlog.get_logger("threadkeep.storage")

_SOON_SECONDS = 0.01


class WalSync:
    """Of one file; every method is called from the event loop that opened it."""

    def __init__(self, sync: Callable[[], None], thread: ThreadPoolExecutor) -> None:
        self._sync = sync
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self.committed = 1
        """The newest commit. The first stands for what the last process may have left in the log."""
        self.promised = 0
        """The newest commit that the disk has, or will have soon though nobody asks any more."""
        self._on_disk = 0
        self._wanted = 0
        """The newest commit that it is to have as soon as can be."""
        self._syncing = False
        self._waiting: list[tuple[int, asyncio.Future[Any], Any]] = []
        self._timer: asyncio.TimerHandle | None = None
        self.refused: str | None = None
        """Why nothing gets to the disk any more."""

    def note_commit(self) -> None:
        self.committed += 1

    def has(self, place: int) -> bool:
        return place <= self._on_disk

    def resolve(self, done: asyncio.Future[Any], result: Any = None, place: int | None = None) -> None:
        """Give `done` its result once the disk has all up to that place, or up to the newest commit."""
        place = self.committed if place is None else place
        if self.has(place):
            done.set_result(result)
            return
        if self.refused is not None:
            done.set_exception(UnavailableError(self.refused))
            return
        self._waiting.append((place, done, result))
        self.start(place)

    def start(self, place: int | None = None) -> None:
        """Begin to sync what is committed, or what was up to that place; nobody has to wait for it."""
        self._wanted = max(self._wanted, self.committed if place is None else place)
        self.promised = max(self.promised, self._wanted)
        if not self._syncing and self._on_disk < self._wanted and self.refused is None:
            self._syncing = True
            synced = partial(self._synced, self.committed)
            future = self._thread.submit(self._sync)
            future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(synced, done))

    def start_soon(self) -> int:
        """See to it that the disk has what is committed now in a moment, by one sync for all that comes meanwhile.

        Gives the place of the newest commit.
        """
        if self._timer is None and self._on_disk < self.committed and self.refused is None:
            self._timer = self._loop.call_later(_SOON_SECONDS, self._start_now)
        self.promised = self.committed
        return self.promised

    def _start_now(self) -> None:
        self._timer = None
        self.start()

    def _synced(self, reached: int, future: Future[None]) -> None:
        self._syncing = False
        if (error := future.exception()) is not None:
            self.refuse(error)
            return
        self._on_disk = reached
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            place, done, result = item
            if place > reached:
                self._waiting.append(item)
            elif not done.done():
                done.set_result(result)
        if self._on_disk < self._wanted:
            self.start(self._wanted)

    def refuse(self, error: BaseException) -> None:
        """The disk did not take the log. Who waits is told, and who comes later."""
        log.error("disk_refused_data", error=str(error))
        self.refused = (
            f"The disk did not take the data: {error}. Look after it, then start the server again: it finds out what "
            "is there, and goes on from that."
        )
        waiting, self._waiting = self._waiting, []
        for _, done, _ in waiting:
            if not done.done():
                done.set_exception(UnavailableError(self.refused))

    async def close(self) -> None:
        """Return when the disk has everything, or has refused it."""
        done: asyncio.Future[None] = self._loop.create_future()
        self.resolve(done)
        try:
            await done
        except UnavailableError:
            pass  # said already
        finally:
            if self._timer is not None:
                self._timer.cancel()
