"""A whole thread followed: each run it has and will get, turned into what a reader is sent, for as long as he reads.

The runs are followed at the same time (a delayed one must not hold up the next), into one short queue: a reader who
takes nothing holds up his own followers, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from threadkeep.api.responses import Batches
from threadkeep.callers import Caller
from threadkeep.engine import Engine
from threadkeep.errors import NotFoundError, ThreadkeepError
from threadkeep.runs.run import Run
from threadkeep.streams.event_log import Values
from threadkeep.streams.feeds import Feed, RunComing
from threadkeep.streams.live import Event
from threadkeep.streams.sse import CutReason, StreamCutError

_AHEAD = 32
"""Pieces made before the client has taken them."""
NOW = -1
"""Where a live run is joined when nothing of what it has shown is wanted."""

FirstEvent = Callable[[Run, int, int, int], int | None]


@dataclass(frozen=True, slots=True)
class Start:
    """Where a reader begins: no run before the place `sequence` in the order of acceptance is looked at."""

    sequence: int
    first_event: FirstEvent
    """From a run, its place in that order, the newest of its ids that is stored no more, and (of a live run) the newest
    that is buffered no more, to the id to read after; `NOW`, or None to leave the run out."""
    values: Values = "all"
    """Each frame of an ended run's values has to be read from its checkpoint."""


@dataclass(frozen=True, slots=True)
class RunOnThread:
    run: Run
    sequence: int
    """The run's place in the order of acceptance."""
    batches: Batches


class View(Protocol):
    def run(self, shown: RunOnThread) -> AsyncGenerator[bytes, None]: ...

    def state_changed(self) -> AsyncGenerator[bytes, None]: ...


async def follow(
    engine: Engine, thread_id: str, caller: Caller, view: View, start: Start
) -> AsyncGenerator[bytes, None]:
    """What `view` makes of the thread's runs. Never ends; `StreamCutError` when the server stops, or when the reader
    fell so far behind that events between are kept nowhere."""
    follower = _Follower(engine, thread_id, caller, view)
    with engine.acceptance.feeds.following(thread_id) as news:
        try:
            follower.begin(start, news)
            while (piece := await follower.ready.get()) is not None:
                yield piece
            raise StreamCutError(follower.cut_because)
        finally:
            await follower.stop()


class _Follower:
    def __init__(self, engine: Engine, thread_id: str, caller: Caller, view: View) -> None:
        self.ready: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
        self.cut_because: CutReason = "stopping"
        self._engine = engine
        self._thread_id = thread_id
        self._caller = caller
        self._view = view
        self._followed: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, start: Start, news: Feed) -> None:
        self._start(self._watch_stop())
        self._start(self._past_then_news(start, news))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch_stop(self) -> None:
        await self._engine.stopping.wait()
        await self.ready.put(None)

    async def _past_then_news(self, start: Start, news: Feed) -> None:
        runs = await self._engine.queue.runs_from(self._thread_id, self._caller, sequence=start.sequence)
        for run in runs:
            if news.announces(run.run_id):
                continue  # the stream that comes has all of it, whatever has become of the run meanwhile
            self._followed.add(run.run_id)
            batches = await self._batches(run, start)
            if batches is None:
                continue
            if run.active:
                self._start(self._show(run.run_id, batches))
            else:
                await self._show(run.run_id, batches)
        while True:
            match await news.get():
                case RunComing(stream):
                    batches = self._engine.event_log.subscribe(stream, 0, values=start.values)
                    stream.readers -= 1
                    if stream.run_id in self._followed:
                        await batches.aclose()
                    else:
                        self._start(self._show(stream.run_id, batches))
                case _:
                    async for piece in self._view.state_changed():
                        await self.ready.put(piece)

    async def _batches(self, run: Run, start: Start) -> Batches | None:
        log = self._engine.event_log
        sequence = await self._engine.queue.sequence(run.run_id) or 0
        stream = await log.open(run.run_id, resumable=run.kwargs.stream_resumable) if run.active else None
        buffered = 0 if stream is None else stream.floor
        after = start.first_event(run, sequence, await log.store.floor(run.run_id), buffered)
        if after is None:
            return None
        if stream is not None:
            stream.on_thread = True
            return log.subscribe(stream, stream.last_id if after == NOW else after, values=start.values)
        return log.replay(
            run.run_id,
            run.status,
            max(after, 0),
            attempt=run.attempt,
            resumable=run.kwargs.stream_resumable,
            values=start.values,
        )

    async def _show(self, run_id: str, batches: Batches) -> None:
        try:
            first = await anext(batches, None)
            if first is None:
                return
            run = await self._engine.queue.get(run_id, self._caller)
            sequence = await self._engine.queue.sequence(run_id) or 0
            shown = RunOnThread(run, sequence, _again(first, batches))
            async with aclosing(self._view.run(shown)) as pieces:
                async for piece in pieces:
                    await self.ready.put(piece)
        except NotFoundError:
            return  # undone before it had shown anything, or somebody else's
        except ThreadkeepError:  # what comes next cannot be read: the reader has to come back
            self.cut_because = "behind"
            await self.ready.put(None)
        finally:
            await batches.aclose()


async def _again(first: list[Event], batches: Batches) -> Batches:
    yield first
    async for events in batches:
        yield events
