"""What one process does about what the others tell it: run what waits, stop what was cancelled, show what they show.

Of its own doings a process is told in memory, so this knows nothing of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from threadkeep.callers import EVERYONE
from threadkeep.errors import ThreadkeepError
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.worker import Worker
from threadkeep.streams.event_log import EventLog
from threadkeep.streams.feeds import ThreadFeeds

log = structlog.get_logger("threadkeep.cluster")


class Cluster:
    def __init__(
        self,
        queue: RunQueue,
        worker: Worker,
        event_log: EventLog,
        feeds: ThreadFeeds,
        *,
        wake_crons: Callable[[], None],
        wake_webhooks: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._worker = worker
        self._log = event_log
        self._feeds = feeds
        self._wake_crons = wake_crons
        self._wake_webhooks = wake_webhooks
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, news: str) -> None:
        """One thing that another process has done: a word, and the ids it is about."""
        match news.split():
            case ["run", run_id, thread_id]:
                self._worker.wake()
                if self._feeds.followed(thread_id) and self._log.live(run_id) is None:
                    self._start(self._show(run_id, thread_id))
            case ["events", run_id]:
                self._log.refresh(run_id)
            case ["follow", run_id]:
                self._log.share(run_id)
            case ["end", run_id, _]:
                self._worker.wake()
                self._log.refresh(run_id)
            case ["cancel", run_id]:
                self._worker.stop_run(run_id)
            case ["state", thread_id]:
                self._feeds.state_changed(thread_id)
            case ["cron"]:
                self._wake_crons()
            case ["outbox"]:
                self._wake_webhooks()

    def missed(self) -> None:
        """Anything may have happened: look at everything that somebody here waits for."""
        self._worker.wake()
        self._wake_crons()
        self._wake_webhooks()
        self._log.refresh_all()
        self._start(self._stop_cancelled())

    async def _show(self, run_id: str, thread_id: str) -> None:
        run = await self._queue.get(run_id, EVERYONE)
        stream = await self._log.open(run_id, resumable=run.kwargs.stream_resumable)
        self._feeds.run_coming(thread_id, stream)

    async def _stop_cancelled(self) -> None:
        for run in self._worker.runs():
            if (await self._queue.get(run.run_id, EVERYONE)).cancel is not None:
                self._worker.stop_run(run.run_id)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not isinstance(error, ThreadkeepError):
            raise error
        log.warning("news_not_followed", error=str(error))  # the run is gone, or the database is: both show elsewhere
