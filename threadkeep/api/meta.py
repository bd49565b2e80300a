"""What a server says of itself: whether it lives, what it is, how it does."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from threadkeep import API_VERSION, __version__
from threadkeep.api.requests import EngineOf
from threadkeep.api.responses import Json
from threadkeep.api.routing import Route
from threadkeep.engine import Engine
from threadkeep.errors import ThreadkeepError
from threadkeep.metrics import Now
from threadkeep.runs.savers import refusal
from threadkeep.storage.interactions import interaction_totals

router = APIRouter(tags=["System"], route_class=Route)

_LANGGRAPH_VERSION = importlib.metadata.version("langgraph")


@router.get("/")
@router.get("/ok")
async def ok(engine: EngineOf, check_db: bool = False) -> Response:
    """Alive; with `check_db`, also able to write."""
    check_db = check_db and "meta" not in engine.config.http.disabled
    reasons = await not_ready_because(engine) if check_db else []
    return Json({"ok": not reasons, "services": {}}, 503 if reasons else 200)


@router.get("/info")
async def info(engine: EngineOf) -> Response:
    """`version` is the level of the Agent Server API that this matches; Studio compares it."""
    return Json(
        {
            "version": API_VERSION,
            "langgraph_py_version": _LANGGRAPH_VERSION,
            "threadkeep_version": __version__,
            "model": engine.model,
            "graphs": engine.graphs.ids,
            "flags": {
                "assistants": "assistants" not in engine.config.http.disabled,
                "crons": "runs" not in engine.config.http.disabled,
                "langsmith": False,
                "langsmith_tracing_replicas": False,
                "langsmith_tracing_session_on_runs": False,
            },
            "host": {
                "kind": "self-hosted",
                "project_id": None,
                "host_revision_id": None,
                "revision_id": None,
                "tenant_id": None,
            },
        }
    )


async def not_ready_because(engine: Engine) -> list[str]:
    """Why no run should be sent here now; empty when the server is ready."""
    reasons = []
    if engine.worker.draining:
        reasons.append("The server is stopping.")
    if engine.damage is not None:
        reasons.append(engine.damage)
    if (refused := refusal(engine.saver)) is not None:
        reasons.append(refused)
    try:
        await engine.database.check_writable()
    except ThreadkeepError as error:
        reasons.append(str(error))
    return reasons


async def metrics_response(engine: Engine, fmt: str | None) -> Response:
    """Prometheus text, or with `format=json` the totals that people ask for first."""
    depth = await engine.queue.depth()
    if fmt == "json":
        totals: dict[str, Any] = await interaction_totals(engine.database)
        return Json({**totals, "queue": {"pending": depth.pending, "running": depth.running}})
    now = Now(
        depth.pending, depth.running, await engine.queue.longest_wait(engine.clock.now()), engine.settings.data_dir
    )
    text = engine.metrics.render(now)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


MetricsFormat = Annotated[str | None, Query(alias="format", pattern="^(json|prometheus)$")]
