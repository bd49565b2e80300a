"""The thread protocol's events: one stream for a whole thread, of the channels and namespaces a reader asks for.

Everything of the thread that is kept is shown first, or what comes after `since`; then what happens. The stream stays
open after a run. It may be opened before the thread exists, since clients do, and is silent until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from threadkeep import json
from threadkeep.api.examples import documented_events
from threadkeep.api.follow import RunOnThread, Start, follow
from threadkeep.api.requests import CallerOf, EngineOf, uuid_of
from threadkeep.api.responses import long_response
from threadkeep.api.routing import Route
from threadkeep.api.schemas import Body, example
from threadkeep.callers import EVERYONE, Caller
from threadkeep.engine import Engine
from threadkeep.errors import NotFoundError
from threadkeep.runs.run import Run
from threadkeep.streams.live import END, GapError
from threadkeep.streams.protocol import LAST_OF_A_RUN, ProtocolEvent, RunEvents, first_sequence, place_of
from threadkeep.streams.protocol_frames import Outcome, RunFacts
from threadkeep.streams.sse import EVENT_STREAM, HEARTBEAT
from threadkeep.streams.subscription import Subscription

router = APIRouter(tags=["Thread protocol"], route_class=Route)

_A_BREATH = 50
"""Events made of frames in one go."""


class EventStreamRequest(Body):
    channels: list[str] = Field(min_length=1, max_length=100)
    namespaces: list[list[str]] | None = None
    depth: int | None = Field(None, ge=0)
    since: int | None = Field(None, ge=0, description="Only what comes after this `seq`")

    model_config = example({"channels": ["values", "messages", "lifecycle"]})

    def subscription(self) -> Subscription:
        """Raises `BadRequestError` for a channel that does not exist."""
        namespaces = tuple(tuple(steps) for steps in self.namespaces or ())
        return Subscription(frozenset(self.channels), namespaces, self.depth, self.since or None)


class ResumeGapError(GapError):
    """What comes after `since` is no longer kept."""

    def __init__(self, min_available_seq: int) -> None:
        super().__init__(
            "Events after `since` are no longer kept. Read the thread's state, then open the stream without `since`."
        )
        self.min_available_seq = min_available_seq


@router.post("/threads/{thread_id}/stream/events", responses=documented_events())
async def stream_events(thread_id: str, body: EventStreamRequest, engine: EngineOf, caller: CallerOf) -> Response:
    """Never ends, except after an `error` that says that events after `since` are gone."""
    thread_id = await watched_thread(engine, thread_id, caller)
    frames = _frames(engine, thread_id, caller, body.subscription())
    return long_response(engine, frames, media_type=EVENT_STREAM, heartbeat=HEARTBEAT, headers={})


async def watched_thread(engine: Engine, thread_id: str, caller: Caller) -> str:
    """The id, of a thread that the caller may see or that does not exist yet.

    Who sees everything is answered without a look: langgraph-sdk closes a stream it replaces when the newer one's head
    has come, and waits for ever for the older one's if that was overtaken, as two looks at PostgreSQL may be.
    """
    thread_id = uuid_of("thread", thread_id)
    if caller.sees_all:
        return thread_id
    try:
        await engine.threads.get(thread_id, EVERYONE)
    except NotFoundError:
        return thread_id
    await engine.threads.get(thread_id, caller)
    return thread_id


async def _frames(engine: Engine, thread_id: str, caller: Caller, wanted: Subscription) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(thread_events(engine, thread_id, caller, wanted, _frame)) as frames:
            async for frame in frames:
                yield frame
    except ResumeGapError as error:
        yield b"event: error\r\ndata: " + json.dumps(gap_message(error, None)) + b"\r\n\r\n"


def gap_message(error: ResumeGapError, command_id: int | None) -> dict[str, Any]:
    meta = {"min_available_seq": error.min_available_seq}
    return {"type": "error", "id": command_id, "error": "resume_gap", "message": str(error), "meta": meta}


def _frame(event: ProtocolEvent) -> bytes:
    return b"event: %s\r\ndata: %s\r\nid: %d\r\n\r\n" % (event.method.encode(), event.encode(), event.seq)


async def thread_events(
    engine: Engine,
    thread_id: str,
    caller: Caller,
    wanted: Subscription,
    encode: Callable[[ProtocolEvent], bytes],
) -> AsyncGenerator[bytes, None]:
    """The wanted events, each encoded. Raises `ResumeGapError` at first, and what `follow` raises."""
    await require_kept(engine, thread_id, caller, wanted.since)
    since, _ = place_of(wanted.since or 0)
    view = _View(engine, caller, wanted, encode)
    start = Start(since, _first_event, "kept" if wanted.wants("values") else "none")
    async with aclosing(follow(engine, thread_id, caller, view, start)) as pieces:
        async for piece in pieces:
            yield piece


def _first_event(run: Run, _sequence: int, floor: int, buffered: int) -> int:
    """Always the run's first event that is left: what its later ones become depends on it."""
    return floor if run.kwargs.stream_resumable else buffered


async def require_kept(engine: Engine, thread_id: str, caller: Caller, since: int | None) -> None:
    """`ResumeGapError` when events of the thread after `since` are gone, or `since` was never given to anybody."""
    if since is None:
        return
    sequence, frame = place_of(since)
    if sequence > await engine.queue.newest_sequence():
        raise ResumeGapError(0)
    gap: int | None = None
    for run in await engine.queue.runs_from(thread_id, caller, sequence=sequence):
        place = await engine.queue.sequence(run.run_id) or 0
        stream = engine.event_log.live(run.run_id)
        resumable = run.kwargs.stream_resumable
        gone = await engine.event_log.store.floor(run.run_id) if resumable else stream.floor if stream else 0
        seen = frame if place == sequence else gone if not resumable else 0
        if seen < gone and since < first_sequence(place) + LAST_OF_A_RUN:
            gap = first_sequence(place) + LAST_OF_A_RUN
    if gap is not None:
        raise ResumeGapError(gap)


class _View:
    def __init__(
        self, engine: Engine, caller: Caller, wanted: Subscription, encode: Callable[[ProtocolEvent], bytes]
    ) -> None:
        self._engine = engine
        self._caller = caller
        self._wanted = wanted
        self._encode = encode

    async def run(self, shown: RunOnThread) -> AsyncGenerator[bytes, None]:
        events = RunEvents(_facts(shown), self._wanted)
        async for batch in shown.batches:
            for place, event in enumerate(batch):
                if place % _A_BREATH == 0:
                    await asyncio.sleep(0)  # a long replay is the others' time too
                outcome = await self._outcome(shown.run, event.data) if event.name == END else None
                for made in events.of(event, outcome):
                    yield self._encode(made)

    async def state_changed(self) -> AsyncGenerator[bytes, None]:
        """The protocol has no event for a state that was changed by hand."""
        nothing: tuple[bytes, ...] = ()
        for piece in nothing:
            yield piece

    async def _outcome(self, run: Run, end: bytes) -> Outcome:
        try:
            ended = await self._engine.queue.get(run.run_id, self._caller)
        except NotFoundError:  # rolled back, or of a thread that was made for it alone
            return Outcome(json.loads(end).get("status", "interrupted"))
        error = None if ended.error is None else f"{ended.error.get('error')}: {ended.error.get('message')}"
        interrupts = ended.outcome.get("interrupts")
        return Outcome(ended.status, error, None if interrupts is None else tuple(interrupts))


def _facts(shown: RunOnThread) -> RunFacts:
    kwargs = shown.run.kwargs
    answer = (kwargs.command or {}).get("resume")
    answers = tuple(answer) if isinstance(answer, dict) and all(_is_interrupt_id(key) for key in answer) else ()
    return RunFacts(
        run_id=shown.run.run_id,
        graph_id=shown.run.graph_id,
        sequence=shown.sequence,
        pairs_values=any(mode.startswith("checkpoint") for mode in kwargs.stream_mode),
        answers=answers,
    )


def _is_interrupt_id(key: str) -> bool:
    return len(key) == 32 and all(letter in "0123456789abcdef" for letter in key)
