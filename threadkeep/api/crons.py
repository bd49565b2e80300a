"""Crons: runs that are accepted by the clock, on a thread of their own each time or always on the same one."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from starlette.responses import Response

from threadkeep.api.cron_schemas import CronCreate, CronFilter, CronPatch, CronSearch
from threadkeep.api.examples import CRON, documented
from threadkeep.api.requests import CallerOf, EngineOf, page_headers, selected, uuid_of
from threadkeep.api.responses import Json
from threadkeep.api.routing import Route
from threadkeep.api.wire import cron_wire
from threadkeep.callers import Caller
from threadkeep.clock import new_uuid7, timestamp
from threadkeep.engine import Engine
from threadkeep.errors import InvalidError
from threadkeep.runs.accept import RunRequest
from threadkeep.runs.crons import following, payload_of
from threadkeep.storage.assistants import system_assistant_id
from threadkeep.storage.crons import Cron, CronQuery

router = APIRouter(tags=["Crons"], route_class=Route)


@router.post("/runs/crons", responses=documented(CRON))
async def create_cron(body: CronCreate, engine: EngineOf, caller: CallerOf) -> Response:
    """Each run gets a thread of its own, which goes with it unless `on_run_completed` is `keep`."""
    return Json(cron_wire(await _create(engine, caller, body, None)))


@router.post("/threads/{thread_id}/runs/crons", responses=documented(CRON))
async def create_thread_cron(thread_id: str, body: CronCreate, engine: EngineOf, caller: CallerOf) -> Response:
    """Every run is one of this thread; the cron goes when the thread does."""
    return Json(cron_wire(await _create(engine, caller, body, uuid_of("thread", thread_id))))


@router.post("/runs/crons/search", responses=documented([CRON]))
async def search_crons(body: CronSearch, engine: EngineOf, caller: CallerOf) -> Response:
    query = replace(
        _query(body),
        sort_by=body.sort_by or "created_at",
        descending=body.sort_order != "asc",
        limit=body.limit,
        offset=body.offset,
    )
    found, total = await engine.crons.search(query, caller)
    rows = [selected(cron_wire(cron), body.select) for cron in found]
    return Json(rows, headers=page_headers(total=total, offset=body.offset, returned=len(rows)))


@router.post("/runs/crons/count", responses=documented(3))
async def count_crons(body: CronFilter, engine: EngineOf, caller: CallerOf) -> Response:
    return Json((await engine.crons.search(_query(body), caller))[1])


@router.get("/runs/crons/{cron_id}", responses=documented(CRON))
async def get_cron(cron_id: str, engine: EngineOf, caller: CallerOf) -> Response:
    return Json(cron_wire(await engine.crons.get(uuid_of("cron", cron_id), caller)))


@router.patch("/runs/crons/{cron_id}", responses=documented(CRON))
async def update_cron(cron_id: str, body: CronPatch, engine: EngineOf, caller: CallerOf) -> Response:
    """A changed schedule, time zone, end or `enabled` counts from now on: times that passed are not made up for."""
    present = await engine.crons.get(uuid_of("cron", cron_id), caller)
    await engine.acceptance.check_later_run(_changed_request(present, body), caller)
    updated = await engine.crons.update(present.cron_id, caller, lambda cron: _changed(engine, cron, body))
    engine.cron_timer.wake()
    return Json(cron_wire(updated))


@router.delete("/runs/crons/{cron_id}", status_code=204)
async def delete_cron(cron_id: str, engine: EngineOf, caller: CallerOf) -> Response:
    """Runs that it has started go on."""
    await engine.crons.delete(uuid_of("cron", cron_id), caller)
    return Response(status_code=204)


async def _create(engine: Engine, caller: Caller, body: CronCreate, thread_id: str | None) -> Cron:
    request = body.request()
    assistant = await engine.acceptance.check_later_run(request, caller)
    moment = engine.clock.now()
    cron = Cron(
        cron_id=str(new_uuid7(moment)),
        assistant_id=assistant.assistant_id,
        schedule=body.schedule,
        created_at=timestamp(moment),
        updated_at=timestamp(moment),
        owner=caller.identity,
        thread_id=thread_id,
        timezone=body.timezone,
        end_time=None if body.end_time is None else timestamp(body.end_time),
        enabled=body.enabled is not False,
        payload=payload_of(replace(request, assistant_id=assistant.assistant_id)),
        metadata=request.metadata,
    )
    made = await engine.crons.create(_scheduled(engine, cron), caller)
    engine.cron_timer.wake()
    return made


def _changed(engine: Engine, cron: Cron, body: CronPatch) -> Cron:
    request = _changed_request(cron, body)
    changed = replace(
        cron,
        schedule=body.schedule or cron.schedule,
        timezone=body.timezone or cron.timezone,
        enabled=cron.enabled if body.enabled is None else body.enabled,
        payload=payload_of(request),
        metadata=request.metadata,
        updated_at=engine.now(),
    )
    if "end_time" in body.model_fields_set:
        changed = replace(changed, end_time=None if body.end_time is None else timestamp(body.end_time))
    when = ("schedule", "timezone", "end_time", "enabled")
    if all(getattr(changed, name) == getattr(cron, name) for name in when):
        return changed
    return _scheduled(engine, changed)


def _changed_request(cron: Cron, body: CronPatch) -> RunRequest:
    present = RunRequest(**cron.payload)
    return replace(present, **body.request_changes(), metadata={**present.metadata, **body.metadata})


def _scheduled(engine: Engine, cron: Cron) -> Cron:
    """With its next time from now; `InvalidError` for a schedule that cannot be, or an end that has passed."""
    now = engine.now()
    if cron.enabled and cron.end_time is not None and cron.end_time <= now:
        raise InvalidError(f"end_time {cron.end_time} has passed.")
    anew = replace(cron, next_run_date=None)
    following(replace(anew, enabled=True), engine.clock.now())  # a resting cron's schedule has to be valid too
    return replace(anew, next_run_date=following(anew, engine.clock.now()))


def _query(body: CronFilter) -> CronQuery:
    return CronQuery(
        assistant_id=None if body.assistant_id is None else _assistant_id(body.assistant_id),
        thread_id=None if body.thread_id is None else uuid_of("thread", body.thread_id),
        enabled=body.enabled,
        metadata=body.metadata,
    )


def _assistant_id(name: str) -> str:
    """An id as it is; the name of a graph stands for its system assistant."""
    try:
        return uuid_of("assistant", name)
    except InvalidError:
        return system_assistant_id(name)
