"""Runs: accepted, waited for, streamed, joined, listed, cancelled; on a thread or on one made for the run."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from threadkeep.api.examples import RUN, VALUES, documented, documented_stream
from threadkeep.api.removal import remove_run
from threadkeep.api.requests import CallerOf, EngineOf, selected, uuid_of
from threadkeep.api.responses import Json, stream_response, wait_response
from threadkeep.api.routing import Route
from threadkeep.api.run_schemas import CancelMany, RunCreate, run_fields, stream_modes
from threadkeep.callers import Caller
from threadkeep.engine import Engine
from threadkeep.errors import InvalidError, NotFoundError
from threadkeep.runs.accept import AcceptedRun
from threadkeep.runs.run import CancelAction, Run, RunStatus
from threadkeep.runs.wire import run_wire
from threadkeep.streams.event_log import parse_last_event_id
from threadkeep.streams.live import RunStream

router = APIRouter(tags=["Runs"], route_class=Route)

IdempotencyKey = Annotated[str | None, Header(max_length=255, description="The same key gives the same run")]
LastEventId = Annotated[str | None, Header(description="Replay what came after this id; -1 for everything")]


@router.post("/threads/{thread_id}/runs", responses=documented(RUN))
async def create_run(
    thread_id: str, body: RunCreate, engine: EngineOf, caller: CallerOf, idempotency_key: IdempotencyKey = None
) -> Response:
    accepted = await _accept(engine, caller, thread_id, body, idempotency_key)
    return Json(run_wire(accepted.run), headers={"content-location": _path(accepted.run)})


@router.post("/threads/{thread_id}/runs/stream", responses=documented_stream())
async def stream_run(
    thread_id: str, body: RunCreate, engine: EngineOf, caller: CallerOf, idempotency_key: IdempotencyKey = None
) -> Response:
    accepted = await _accept(engine, caller, thread_id, body, idempotency_key, listen=True)
    return await _streamed(engine, accepted)


@router.post("/threads/{thread_id}/runs/wait", responses=documented(VALUES))
async def wait_run(
    thread_id: str, body: RunCreate, engine: EngineOf, caller: CallerOf, idempotency_key: IdempotencyKey = None
) -> Response:
    accepted = await _accept(engine, caller, thread_id, body, idempotency_key, told=False)
    return await _waited(engine, accepted)


@router.post("/runs", responses=documented(RUN))
async def create_stateless_run(
    body: RunCreate, engine: EngineOf, caller: CallerOf, idempotency_key: IdempotencyKey = None
) -> Response:
    accepted = await _accept(engine, caller, None, body, idempotency_key)
    return Json(run_wire(accepted.run), headers={"content-location": _path(accepted.run)})


@router.post("/runs/stream", responses=documented_stream())
async def stream_stateless_run(
    body: RunCreate, engine: EngineOf, caller: CallerOf, idempotency_key: IdempotencyKey = None
) -> Response:
    return await _streamed(engine, await _accept(engine, caller, None, body, idempotency_key, listen=True))


@router.post("/runs/wait", responses=documented(VALUES))
async def wait_stateless_run(
    body: RunCreate, engine: EngineOf, caller: CallerOf, idempotency_key: IdempotencyKey = None
) -> Response:
    return await _waited(engine, await _accept(engine, caller, None, body, idempotency_key, told=False))


@router.post("/runs/batch", responses=documented([RUN]))
async def create_stateless_runs(bodies: list[RunCreate], engine: EngineOf, caller: CallerOf) -> Response:
    """All or none is checked before any is stored; each then gets a thread of its own."""
    if len(bodies) > 1000:
        raise InvalidError("At most 1000 runs in one batch.")
    for body in bodies:
        await engine.acceptance.assistant(body.assistant_id, caller)
    accepted = await asyncio.gather(*(_accept(engine, caller, None, body, None) for body in bodies))
    return Json([run_wire(item.run) for item in accepted])


@router.get("/threads/{thread_id}/runs", responses=documented([RUN]))
async def list_runs(
    thread_id: str,
    engine: EngineOf,
    caller: CallerOf,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    status: Annotated[RunStatus | None, Query()] = None,
    select: Annotated[list[str] | None, Query()] = None,
) -> Response:
    fields = run_fields(select)
    thread = await engine.threads.get(uuid_of("thread", thread_id), caller)
    runs = await engine.queue.list_runs(thread.thread_id, caller, limit=limit, offset=offset, status=status)
    return Json([selected(run_wire(run), fields) for run in runs])


@router.get("/threads/{thread_id}/runs/{run_id}", responses=documented(RUN))
async def get_run(thread_id: str, run_id: str, engine: EngineOf, caller: CallerOf) -> Response:
    return Json(run_wire(await _run(engine, caller, thread_id, run_id)))


@router.delete("/threads/{thread_id}/runs/{run_id}", status_code=204)
async def delete_run(thread_id: str, run_id: str, engine: EngineOf, caller: CallerOf) -> Response:
    """A running one is stopped first, and its thread freed; the run's checkpoints go with it."""
    engine.cleanup.require("adelete_for_runs")
    run = await _run(engine, caller, thread_id, run_id)
    await remove_run(engine, run)
    return Response(status_code=204)


@router.get("/threads/{thread_id}/runs/{run_id}/join", responses=documented(VALUES))
async def join_run(
    thread_id: str, run_id: str, engine: EngineOf, caller: CallerOf, cancel_on_disconnect: bool = False
) -> Response:
    run = await _run(engine, caller, thread_id, run_id)
    return await wait_response(
        engine,
        run,
        await _live(engine, run),
        headers=_locations(run, "join"),
        cancel_on_disconnect=cancel_on_disconnect,
    )


@router.get("/threads/{thread_id}/runs/{run_id}/stream", responses=documented_stream())
async def join_stream(
    thread_id: str,
    run_id: str,
    engine: EngineOf,
    caller: CallerOf,
    stream_mode: Annotated[list[str] | None, Query()] = None,
    cancel_on_disconnect: bool = False,
    last_event_id: LastEventId = None,
) -> Response:
    run = await _run(engine, caller, thread_id, run_id)
    return await _joined(engine, run, stream_mode, last_event_id, cancel_on_disconnect=cancel_on_disconnect)


@router.get("/runs/{run_id}/stream", responses=documented_stream())
async def join_stateless_stream(
    run_id: str,
    engine: EngineOf,
    caller: CallerOf,
    stream_mode: Annotated[list[str] | None, Query()] = None,
    cancel_on_disconnect: bool = False,
    last_event_id: LastEventId = None,
) -> Response:
    run = await engine.queue.get(uuid_of("run", run_id), caller)
    return await _joined(engine, run, stream_mode, last_event_id, cancel_on_disconnect=cancel_on_disconnect)


@router.get("/runs/{run_id}/join", responses=documented(VALUES))
async def join_stateless_run(
    run_id: str, engine: EngineOf, caller: CallerOf, cancel_on_disconnect: bool = False
) -> Response:
    run = await engine.queue.get(uuid_of("run", run_id), caller)
    return await wait_response(
        engine,
        run,
        await _live(engine, run),
        headers=_locations(run, "join"),
        cancel_on_disconnect=cancel_on_disconnect,
    )


@router.post("/threads/{thread_id}/runs/{run_id}/cancel")
async def cancel_run(
    thread_id: str,
    run_id: str,
    engine: EngineOf,
    caller: CallerOf,
    wait: bool = False,
    action: Annotated[CancelAction, Query()] = "interrupt",
    reason: Annotated[Literal["taken"] | None, Query(description="taken: another run took over its input")] = None,
) -> Response:
    """Idempotent while the run is active; 404 once it has ended. With `wait`, answered when it has stopped."""
    if reason is not None and action != "interrupt":
        raise InvalidError("A reason goes with action=interrupt only; a run that is rolled back keeps no record.")
    run = await _run(engine, caller, thread_id, run_id)
    if not await _cancel(engine, run, action, wait=wait, reason=reason and f"{reason}: {action} requested"):
        raise NotFoundError(f"Run with ID {run.run_id} is not active; there is nothing to cancel.")
    return Json({}) if wait else Response(status_code=202)


@router.post("/runs/cancel", status_code=204)
async def cancel_runs(
    body: CancelMany, engine: EngineOf, caller: CallerOf, action: Annotated[CancelAction, Query()] = "interrupt"
) -> Response:
    if body.status is not None:
        runs = await engine.queue.active_runs(caller, status=None if body.status == "all" else body.status)
    elif body.thread_id is not None and body.run_ids:
        runs = [await _run(engine, caller, body.thread_id, run_id) for run_id in body.run_ids]
    else:
        raise InvalidError("Give either status, or thread_id with run_ids.")
    stopped = [await _cancel(engine, run, action, wait=False) for run in runs]
    if not any(stopped):
        raise NotFoundError("No active runs found to cancel.")
    return Response(status_code=204)


async def _accept(
    engine: Engine,
    caller: Caller,
    thread_id: str | None,
    body: RunCreate,
    key: str | None,
    *,
    listen: bool = False,
    told: bool = True,
) -> AcceptedRun:
    thread = None if thread_id is None else uuid_of("thread", thread_id)
    request = body.request(idempotency_key=key)
    return await engine.acceptance.accept(request, caller, thread_id=thread, listen=listen, told=told)


async def _run(engine: Engine, caller: Caller, thread_id: str, run_id: str) -> Run:
    return await engine.queue.get(uuid_of("run", run_id), caller, thread_id=uuid_of("thread", thread_id))


async def _cancel(engine: Engine, run: Run, action: CancelAction, *, wait: bool, reason: str | None = None) -> bool:
    stream = await engine.event_log.of(run.run_id, resumable=run.kwargs.stream_resumable)
    if not await engine.acceptance.cancel(run, action, reason=reason):
        return False
    if wait and stream is not None:
        await stream.until_over()
    return True


async def _streamed(engine: Engine, accepted: AcceptedRun) -> Response:
    run = accepted.run
    if accepted.events is None:
        return await _joined(engine, run, None, "-1", cancel_on_disconnect=False)
    return stream_response(
        engine,
        run,
        accepted.events,
        headers=_locations(run, "stream"),
        cancel_on_disconnect=run.kwargs.on_disconnect == "cancel",
    )


async def _waited(engine: Engine, accepted: AcceptedRun) -> Response:
    return await wait_response(
        engine,
        accepted.run,
        accepted.stream,
        headers=_locations(accepted.run, "join"),
        cancel_on_disconnect=accepted.run.kwargs.on_disconnect == "cancel",
    )


async def _joined(
    engine: Engine, run: Run, modes: list[str] | None, last_event_id: str | None, *, cancel_on_disconnect: bool
) -> Response:
    asked = frozenset(stream_modes(modes)) or None
    after = parse_last_event_id(last_event_id)
    stream = await _live(engine, run)
    if after is not None and run.kwargs.stream_resumable:
        await engine.event_log.store.require_kept(run.run_id, after)
    if stream is None:
        past = after if after is not None else await engine.event_log.store.floor(run.run_id)
        events = engine.event_log.replay(
            run.run_id, run.status, past, attempt=run.attempt, resumable=run.kwargs.stream_resumable
        )
        return stream_response(engine, run, events, headers=_locations(run, "stream"), modes=asked)
    start = stream.last_id if after is None else after
    if not run.kwargs.stream_resumable:
        start = max(start, stream.last_id)  # frames of such a run are nobody's but its first reader's
    return stream_response(
        engine,
        run,
        engine.event_log.subscribe(stream, start),
        headers=_locations(run, "stream"),
        modes=asked,
        cancel_on_disconnect=cancel_on_disconnect,
    )


async def _live(engine: Engine, run: Run) -> RunStream | None:
    """The stream of a run that has not ended; one that waits for its turn gets it now."""
    stream = engine.event_log.live(run.run_id)
    if stream is None and run.active:
        stream = await engine.event_log.open(run.run_id, resumable=run.kwargs.stream_resumable)
    return stream


def _path(run: Run) -> str:
    return f"/runs/{run.run_id}" if run.kwargs.temporary else f"/threads/{run.thread_id}/runs/{run.run_id}"


def _locations(run: Run, verb: Literal["stream", "join"]) -> dict[str, str]:
    return {"location": f"{_path(run)}/{verb}", "content-location": _path(run)}
