"""What goes by itself when its time has come: old events and traces, threads past their time to live."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver

from threadkeep.callers import EVERYONE
from threadkeep.clock import Clock, timestamp
from threadkeep.errors import ThreadkeepError
from threadkeep.runs.cleanup import Cleanup
from threadkeep.runs.savers import offers
from threadkeep.runs.worker import Worker
from threadkeep.settings import Settings
from threadkeep.storage.thread_rows import Thread
from threadkeep.storage.threads import Threads
from threadkeep.storage.traces import Traces
from threadkeep.storage_config import ThreadTtl
from threadkeep.streams.event_store import EventStore

log = structlog.get_logger("threadkeep.sweep")

_PAGE = 100
_KEPT_FOR_LATE_READERS = timedelta(minutes=2)


class Sweep:
    def __init__(
        self,
        *,
        threads: Threads,
        traces: Traces,
        events: EventStore,
        cleanup: Cleanup,
        saver: BaseCheckpointSaver[Any],
        worker: Worker,
        clock: Clock,
        settings: Settings,
        ttl: ThreadTtl,
    ) -> None:
        self._threads = threads
        self._traces = traces
        self._events = events
        self._cleanup = cleanup
        self._saver = saver
        self._worker = worker
        self._clock = clock
        self._settings = settings
        self._ttl = ttl
        self._threads_pause = settings.sweep_seconds if ttl.sweep_interval is None else ttl.sweep_interval * 60
        self._threads_due = clock.monotonic()

    async def serve(self) -> None:
        """Sweep now and then until cancelled; what fails is tried again the next time."""
        while True:
            try:
                await self.once()
            except ThreadkeepError as error:
                log.warning("sweep_failed", error=str(error))
            await asyncio.sleep(min(self._settings.sweep_seconds, self._threads_pause))

    async def once(self) -> None:
        now, began = self._clock.now(), self._clock.monotonic()
        due = began >= self._threads_due
        forgotten = await self._events.forget_old(
            ended_before=timestamp(now - timedelta(hours=self._settings.event_retention_hours)),
            thread_bytes=self._settings.event_bytes_per_thread,
            transient_before=timestamp(now - _KEPT_FOR_LATE_READERS),
        )
        await self._traces.forget_old(
            before=timestamp(now - timedelta(hours=self._settings.trace_retention_hours)),
            most_bytes=self._settings.trace_bytes,
        )
        expired = await self._expire_threads(timestamp(now), with_ttl=due)
        if due:
            self._threads_due = began + self._threads_pause
        if forgotten or expired:
            log.info("swept", forgotten_streams=forgotten, expired_threads=expired)

    async def _expire_threads(self, now: str, *, with_ttl: bool) -> int:
        expired = 0
        while expired < self._ttl.sweep_limit:
            limit = min(_PAGE, self._ttl.sweep_limit - expired)
            threads = await self._threads.expired(now=now, limit=limit, with_ttl=with_ttl)
            if not threads:
                break
            for thread in threads:
                await self._expire(thread, now)
            expired += len(threads)
        return expired

    async def _expire(self, thread: Thread, now: str) -> None:
        async with self._worker.keep_off(thread.thread_id):
            if (thread.ttl or {}).get("strategy") == "keep_latest":
                await self._prune(thread.thread_id)
            elif await self._threads.decide_expiry(thread.thread_id, now=now):
                await self._cleanup.finish_thread(thread.thread_id)

    async def _prune(self, thread_id: str) -> None:
        if (await self._threads.get(thread_id, EVERYONE)).status == "busy":
            return
        if offers(self._saver, "aprune"):
            await self._saver.aprune([thread_id], strategy="keep_latest")
        else:
            log.warning("ttl_not_enforced", thread_id=thread_id, reason="the checkpointer has no `aprune`")
        await self._threads.postpone_expiry(thread_id)
