"""A run's trace, as one JSON document to read or to keep, and what people thought of the run."""

from __future__ import annotations

from typing import Any, Literal

import orjson
from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from threadkeep import json
from threadkeep.api.examples import FEEDBACK, TRACE, documented
from threadkeep.api.requests import CallerOf, EngineOf, uuid_of
from threadkeep.api.responses import Json
from threadkeep.api.routing import Route
from threadkeep.api.schemas import Body, example
from threadkeep.callers import Caller
from threadkeep.engine import Engine
from threadkeep.errors import NotFoundError
from threadkeep.runs.run import Run
from threadkeep.runs.wire import run_wire
from threadkeep.storage.feedback import Feedback

router = APIRouter(prefix="/threads/{thread_id}/runs/{run_id}", tags=["Runs"], route_class=Route)


class FeedbackGiven(Body):
    thumb: Literal["up", "down"] | None = None
    note: str | None = Field(None, max_length=10_000)

    model_config = example({"thumb": "down", "note": "It forgot the discount."})


@router.get("/trace", responses=documented(TRACE))
async def get_trace(thread_id: str, run_id: str, engine: EngineOf, caller: CallerOf) -> Response:
    """Its nodes, model calls and tool calls; what these were sent and answered is under `contents`, once, by its hash.

    Of a run under way, what has happened up to now. `recorded` is what the server keeps at present (`TRACES`); keys
    and passwords are masked.
    """
    run = await _run(engine, caller, thread_id, run_id)
    spans, contents = await engine.recorder.of_run(run)
    told = json.loads(engine.mask(json.dumps_text({**run_wire(run), "graph_id": run.graph_id})))
    trace = {
        "run": {**told, "started_at": run.started_at, "ended_at": run.ended_at},
        "recorded": engine.recorder.mode,
        "feedback": _feedback_wire(await engine.feedback.get(run.run_id)),
        "spans": spans,
        "contents": {name: orjson.Fragment(text) for name, text in contents.items()},
    }
    return Json(trace, headers={"content-disposition": f'attachment; filename="trace-{run.run_id}.json"'})


@router.get("/feedback", responses=documented(FEEDBACK))
async def get_feedback(thread_id: str, run_id: str, engine: EngineOf, caller: CallerOf) -> Response:
    run = await _run(engine, caller, thread_id, run_id)
    return Json(_feedback_wire(await engine.feedback.get(run.run_id)))


@router.put("/feedback", responses=documented(FEEDBACK))
async def put_feedback(
    thread_id: str, run_id: str, body: FeedbackGiven, engine: EngineOf, caller: CallerOf
) -> Response:
    """Replaces what was said; with neither thumb nor note it is taken back."""
    run = await _run(engine, caller, thread_id, run_id)
    said = body.thumb is not None or bool(body.note)
    feedback = Feedback(body.thumb, body.note or None, engine.now()) if said else Feedback()
    if not await engine.feedback.put(run.run_id, caller.identity, feedback):
        raise NotFoundError(f"Run with ID {run.run_id} not found")
    return Json(_feedback_wire(feedback))


def _feedback_wire(feedback: Feedback) -> dict[str, Any]:
    return {"thumb": feedback.thumb, "note": feedback.note, "updated_at": feedback.updated_at}


async def _run(engine: Engine, caller: Caller, thread_id: str, run_id: str) -> Run:
    return await engine.queue.get(uuid_of("run", run_id), caller, thread_id=uuid_of("thread", thread_id))
