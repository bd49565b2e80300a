"""How an attempt ends its run: what it wrote is made safe, then the end is stored, then it is shown.

The order matters: an end must never say more than the checkpoints and events on the disk do. And nobody may be told of
an end while the run's acceptance could still be lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver

from threadkeep import json
from threadkeep.clock import Clock, timestamp
from threadkeep.errors import UnavailableError
from threadkeep.graphs import Graphs
from threadkeep.metrics import Metrics
from threadkeep.runs.accounting import settled_usage
from threadkeep.runs.attempt import Attempt, opening_of, preview_of, result_of
from threadkeep.runs.cleanup import Cleanup
from threadkeep.runs.prices import Prices
from threadkeep.runs.putting_back import RETRY_SECONDS
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.run import Ending
from threadkeep.runs.savers import flush
from threadkeep.streams.event_log import EventLog
from threadkeep.streams.live import Event, RunStream

log = structlog.get_logger("threadkeep.runs")

T = TypeVar("T")


class Finishing:
    def __init__(
        self,
        *,
        queue: RunQueue,
        event_log: EventLog,
        graphs: Graphs,
        saver: BaseCheckpointSaver[Any],
        cleanup: Cleanup,
        metrics: Metrics,
        prices: Prices,
        clock: Clock,
        stopping: Callable[[], bool],
    ) -> None:
        self._queue = queue
        self._log = event_log
        self._graphs = graphs
        self._saver = saver
        self._cleanup = cleanup
        self._metrics = metrics
        self._prices = prices
        self._clock = clock
        self._stopping = stopping

    async def end(self, attempt: Attempt, ending: Ending) -> Ending:
        """Store the end, then show it. The ending that counts is given back: a cancellation that was decided
        while the run was ending wins over its success."""
        run, stream = attempt.run, attempt.stream
        if ending.error is not None:
            self._log.append(stream, "error", ending.error, attempt=run.attempt)
        early = self._may_be_early(attempt, ending)
        if early:
            self._queue.start_sync(attempt.start)  # beside the checkpoints' own sync
        await self._when_stored(self._flush, stream)
        settled = await self._store(attempt, ending, early)
        if settled is None:
            self._log.close(stream, None)
            return ending
        finish = self._cleanup.finish_thread if run.kwargs.temporary else self._cleanup.undo_runs
        await self._when_stored(finish, run.thread_id)
        stream.result = result_of(attempt, settled)
        stream.outcome = {**settled.outcome, "status": settled.status}
        self._log.close(stream, self._final(attempt, settled))
        return settled

    async def _store(self, attempt: Attempt, ending: Ending, early: bool) -> Ending | None:
        attempt.used = await settled_usage(attempt.accounting, self._prices, self._metrics)
        outcome = {
            **ending.outcome,
            "duration": round(self._clock.monotonic() - attempt.started, 6),
            "usage": attempt.used,
            "tools_used": attempt.accounting.tools_used,
        }
        values = None if attempt.run.kwargs.webhook is None else json.dumps(attempt.answer())
        opening, preview = opening_of(attempt.values), preview_of(attempt.values)
        wanted = replace(ending, outcome=outcome, opening=opening, preview=preview, values=values)
        if early:
            await self._when_stored(self._queue.sync, attempt.start)
        return await self._when_stored(self._finish, attempt, wanted, early)

    def _may_be_early(self, attempt: Attempt, ending: Ending) -> bool:
        """Whether the end may be told before it is on the disk (see `early_ends.py`).

        Only where the checkpoints are, and where finding the end again calls nobody's code that could refuse.
        """
        safe_before = hasattr(self._saver, "flush") and not self._graphs.made_for_each_use(attempt.run.graph_id)
        return safe_before and is_found_again(attempt, ending)

    async def _finish(self, attempt: Attempt, ending: Ending, early: bool) -> Ending | None:
        final = self._final(attempt, ending) if self._log.kept(attempt.stream) else None
        return await self._queue.finish(attempt.run, ending, now=self._now(), final=final, early=early)

    def _final(self, attempt: Attempt, ending: Ending) -> Event:
        run = attempt.run
        return self._log.ending(attempt.stream, {"run_id": run.run_id, "status": ending.status}, attempt=run.attempt)

    async def _flush(self, stream: RunStream) -> None:
        """Everything the thread and its readers were given is on the disk before the end is reported."""
        await flush(self._saver)
        await self._log.flush(stream)

    async def _when_stored(self, step: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """The step's result, however long the disk refuses it; only a stopping server gives up (the row says why)."""
        while True:
            try:
                return await step(*arguments)
            except UnavailableError as error:
                if self._stopping():
                    raise
                log.error("end_not_stored", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    def _now(self) -> str:
        return timestamp(self._clock.now())


def is_found_again(attempt: Attempt, ending: Ending) -> bool:
    """Whether nothing of the end would be missed that somebody is told of, were it found by another attempt.

    A graph that ran to its end leaves that in its checkpoints. An error, a cancellation, what was used, a webhook and
    the events of a stream that is kept are in the end's transaction alone. One that stopped to ask is found again as
    well, but not where a task beside the one that asks had done its work already.
    """
    kwargs, stream = attempt.run.kwargs, attempt.stream
    alone_in_its_end = kwargs.webhook or kwargs.temporary or attempt.accounting.used_something or stream.readers_return
    return ending.status == "success" and not attempt.interrupted and not alone_in_its_end
