"""One stream for a whole thread: what every run on it shows, one after the other, for as long as the client stays.

Ids are the run's place in the order of acceptance times a large number, plus the event's id within the run: they grow,
and any of them says where to go on. Runs that are not resumable are shown as they happen and cannot be replayed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from threadkeep import json
from threadkeep.api.examples import documented_stream
from threadkeep.api.requests import CallerOf, EngineOf, uuid_of
from threadkeep.api.responses import Batches, long_response
from threadkeep.api.routing import Route
from threadkeep.api.runs import LastEventId
from threadkeep.api.states import state_of
from threadkeep.callers import Caller
from threadkeep.engine import Engine
from threadkeep.errors import InvalidError
from threadkeep.runs.run import Run
from threadkeep.storage.threads import Thread
from threadkeep.streams.event_log import parse_last_event_id
from threadkeep.streams.feeds import News, RunComing
from threadkeep.streams.live import END, Event, GapError
from threadkeep.streams.sse import EVENT_STREAM, HEARTBEAT, StreamCutError, encode

router = APIRouter(tags=["Threads"], route_class=Route)

THREAD_MODES = ("run_modes", "lifecycle", "state_update")
_EVENTS_A_RUN = 100_000_000
_AHEAD = 256
"""Events taken from the log before the client has taken them."""


@router.get("/threads/{thread_id}/stream", responses=documented_stream())
async def follow_thread(
    thread_id: str,
    engine: EngineOf,
    caller: CallerOf,
    stream_mode: Annotated[list[str] | None, Query(description=f"Any of {', '.join(THREAD_MODES)}")] = None,
    stream_modes: Annotated[list[str] | None, Query(description="The same")] = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Never ends. After each run comes `metadata` with the status `run_done`."""
    thread = await engine.threads.get(uuid_of("thread", thread_id), caller)
    modes = frozenset(stream_mode or []) | frozenset(stream_modes or []) or frozenset({"run_modes"})
    if unknown := modes - frozenset(THREAD_MODES):
        raise InvalidError(f"stream_mode {', '.join(sorted(unknown))} does not exist; use {', '.join(THREAD_MODES)}")
    after = parse_last_event_id(last_event_id)
    body = _Follower(engine, thread, modes, caller).frames(after)
    headers = {"location": f"/threads/{thread.thread_id}/stream"}
    return long_response(engine, body, media_type=EVENT_STREAM, heartbeat=HEARTBEAT, headers=headers)


class _Follower:
    """Follows the thread's runs at the same time (a delayed one must not hold up the next), into one queue."""

    def __init__(self, engine: Engine, thread: Thread, modes: frozenset[str], caller: Caller) -> None:
        self._engine = engine
        self._thread = thread
        self._modes = modes
        self._caller = caller
        self._ready: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
        self._tasks: set[asyncio.Task[None]] = set()

    async def frames(self, after: int | None) -> AsyncGenerator[bytes, None]:
        with self._engine.acceptance.feeds.following(self._thread.thread_id) as news:
            try:
                self._start(self._watch_stop())
                self._start(self._past_then_news(after, news))
                while (frame := await self._ready.get()) is not None:
                    yield frame
                raise StreamCutError
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Any) -> None:
        self._tasks.add(asyncio.create_task(work))

    async def _watch_stop(self) -> None:
        await self._engine.stopping.wait()
        await self._ready.put(None)

    async def _past_then_news(self, after: int | None, news: asyncio.Queue[News]) -> None:
        sequence, event_id = divmod(after or 0, _EVENTS_A_RUN)
        for run in await self._engine.queue.runs_from(self._thread.thread_id, self._caller, sequence=sequence):
            last_seen = event_id if self._engine.queue.sequence(run.run_id) == sequence else 0
            if run.active:
                self._start(self._show(run.run_id, self._joined(run, None if after is None else last_seen)))
            elif after is not None and run.kwargs.stream_resumable:
                floor = self._engine.event_log.store.floor(run.run_id)
                past = self._engine.event_log.replay(run.run_id, run.status, max(last_seen, floor), attempt=run.attempt)
                await self._show(run.run_id, past)
        while True:
            match await news.get():
                case RunComing(stream):
                    batches = self._engine.event_log.subscribe(stream, 0)
                    stream.readers -= 1
                    self._start(self._show(stream.run_id, batches))
                case _:
                    await self._show_state()

    def _joined(self, run: Run, last_seen: int | None) -> Batches:
        stream = self._engine.event_log.open(run.run_id, resumable=run.kwargs.stream_resumable)
        start = stream.last_id if last_seen is None or not run.kwargs.stream_resumable else last_seen
        return self._engine.event_log.subscribe(stream, start)

    async def _show(self, run_id: str, batches: Batches) -> None:
        sequence: int | None = None
        try:
            async for events in batches:
                sequence = sequence or self._engine.queue.sequence(run_id) or 0
                for event in events:
                    await self._show_event(run_id, sequence, event)
        except GapError:
            await self._ready.put(None)
        finally:
            await batches.aclose()

    async def _show_event(self, run_id: str, sequence: int, event: Event) -> None:
        over = event.name == END
        if over and "state_update" in self._modes:
            await self._show_state()
        if "run_modes" not in self._modes and not ("lifecycle" in self._modes and (over or event.name == "metadata")):
            return
        name, data = event.name, event.data
        if over:
            name, data = "metadata", json.dumps({"status": "run_done", "run_id": run_id})
        event_id = sequence * _EVENTS_A_RUN + event.event_id
        await self._ready.put(encode(Event(event_id, name, data, event.attempt), with_id=True))

    async def _show_state(self) -> None:
        if "state_update" in self._modes:
            thread = await self._engine.threads.get(self._thread.thread_id, self._caller)
            state = json.dumps({"state": await state_of(self._engine, thread)})
            await self._ready.put(encode(Event(0, "state_update", state), with_id=False))
