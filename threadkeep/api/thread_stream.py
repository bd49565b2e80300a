"""One stream for a whole thread: what every run on it shows, one after the other, for as long as the client stays.

Ids are the run's place in the order of acceptance times a large number, plus the event's id within the run: they grow,
and any of them says where to go on. Runs that are not resumable are shown as they happen and cannot be replayed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from threadkeep import json
from threadkeep.api.examples import documented_stream
from threadkeep.api.follow import NOW, RunOnThread, Start, follow
from threadkeep.api.requests import CallerOf, EngineOf, uuid_of
from threadkeep.api.responses import long_response
from threadkeep.api.routing import Route
from threadkeep.api.runs import LastEventId
from threadkeep.api.states import state_of
from threadkeep.callers import Caller
from threadkeep.engine import Engine
from threadkeep.errors import InvalidError
from threadkeep.runs.run import Run
from threadkeep.storage.thread_rows import Thread
from threadkeep.streams.event_log import parse_last_event_id
from threadkeep.streams.live import END, Event
from threadkeep.streams.sse import EVENT_STREAM, HEARTBEAT, encode

router = APIRouter(tags=["Threads"], route_class=Route)

THREAD_MODES = ("run_modes", "lifecycle", "state_update")
_EVENTS_A_RUN = 100_000_000


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
    view = _View(engine, thread, modes, caller)
    body = follow(engine, thread.thread_id, caller, view, _start(after))
    headers = {"location": f"/threads/{thread.thread_id}/stream"}
    return long_response(engine, body, media_type=EVENT_STREAM, heartbeat=HEARTBEAT, headers=headers)


def _start(after: int | None) -> Start:
    """Without an id only what is still to come is shown; with one, resumable runs go on after it."""
    sequence, event_id = divmod(after or 0, _EVENTS_A_RUN)

    def first_event(run: Run, sequence_of_run: int, floor: int, buffered: int) -> int | None:
        if after is None or not run.kwargs.stream_resumable:
            return NOW if run.active else None
        return max(event_id, floor) if sequence_of_run == sequence else floor

    return Start(sequence, first_event)


class _View:
    """What the reader of one thread's stream is shown of it."""

    def __init__(self, engine: Engine, thread: Thread, modes: frozenset[str], caller: Caller) -> None:
        self._engine = engine
        self._thread = thread
        self._modes = modes
        self._caller = caller

    async def run(self, shown: RunOnThread) -> AsyncGenerator[bytes, None]:
        async for events in shown.batches:
            for event in events:
                over = event.name == END
                if over and "state_update" in self._modes:
                    yield await self._state()
                if "run_modes" in self._modes or ("lifecycle" in self._modes and (over or event.name == "metadata")):
                    yield self._frame(shown, event)

    def _frame(self, shown: RunOnThread, event: Event) -> bytes:
        name, data = event.name, event.data
        if event.name == END:
            name, data = "metadata", json.dumps({"status": "run_done", "run_id": shown.run.run_id})
        event_id = shown.sequence * _EVENTS_A_RUN + event.event_id
        return encode(Event(event_id, name, data, event.attempt), with_id=True)

    async def state_changed(self) -> AsyncGenerator[bytes, None]:
        if "state_update" in self._modes:
            yield await self._state()

    async def _state(self) -> bytes:
        thread = await self._engine.threads.get(self._thread.thread_id, self._caller)
        state = json.dumps({"state": await state_of(self._engine, thread)})
        return encode(Event(0, "state_update", state), with_id=False)
