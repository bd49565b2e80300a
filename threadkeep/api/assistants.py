"""Assistants: made, found, versioned, removed; and the graph and the schemas behind them."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import APIRouter, Query
from starlette.responses import Response

from threadkeep.api.examples import ASSISTANT, GRAPH, SCHEMAS, documented
from threadkeep.api.graph_schemas import drawing, graph_schemas
from threadkeep.api.removal import remove_thread
from threadkeep.api.requests import CallerOf, EngineOf, page_headers, selected, uuid_of
from threadkeep.api.responses import Json
from threadkeep.api.routing import Route
from threadkeep.api.schemas import (
    AssistantChanges,
    AssistantCreate,
    AssistantFilter,
    AssistantSearch,
    AssistantVersionChoice,
    AssistantVersionsQuery,
)
from threadkeep.api.wire import assistant_wire
from threadkeep.clock import new_uuid7
from threadkeep.errors import BadRequestError, InvalidError
from threadkeep.graphs import Graph
from threadkeep.storage.assistants import Assistant, AssistantQuery
from threadkeep.storage.metadata import contains
from threadkeep.storage.threads import ThreadQuery

router = APIRouter(prefix="/assistants", tags=["Assistants"], route_class=Route)

_ALL = 1000


@router.post("", responses=documented(ASSISTANT))
async def create_assistant(body: AssistantCreate, engine: EngineOf, caller: CallerOf) -> Response:
    engine.graphs.require(body.graph_id)
    config, context = mirrored(body.config, body.context or None)
    made = Assistant(
        str(new_uuid7(engine.clock.now())) if body.assistant_id is None else uuid_of("assistant", body.assistant_id),
        body.graph_id,
        body.name or "Untitled",
        engine.now(),
        engine.now(),
        owner=caller.identity,
        description=body.description,
        config=config or {},
        context=context or {},
        metadata=body.metadata or {},
    )
    return Json(assistant_wire(await engine.assistants.create(made, keep_existing=body.if_exists == "do_nothing")))


@router.post("/search", responses=documented([ASSISTANT]))
async def search_assistants(body: AssistantSearch, engine: EngineOf, caller: CallerOf) -> Response:
    query = AssistantQuery(
        graph_id=body.graph_id,
        name=body.name,
        metadata=body.metadata,
        sort_by=body.sort_by or "created_at",
        descending=body.sort_order != "asc",
        limit=body.limit,
        offset=body.offset,
    )
    found, total = await engine.assistants.search(query, caller)
    rows = [selected(assistant_wire(assistant), body.select) for assistant in found]
    return Json(rows, headers=page_headers(total=total, offset=body.offset, returned=len(rows)))


@router.post("/count", responses=documented(3))
async def count_assistants(body: AssistantFilter, engine: EngineOf, caller: CallerOf) -> Response:
    query = AssistantQuery(graph_id=body.graph_id, name=body.name, metadata=body.metadata, limit=1)
    return Json((await engine.assistants.search(query, caller))[1])


@router.get("/{assistant_id}", responses=documented(ASSISTANT))
async def get_assistant(assistant_id: str, engine: EngineOf, caller: CallerOf) -> Response:
    return Json(assistant_wire(await engine.assistants.get(uuid_of("assistant", assistant_id), caller)))


@router.patch("/{assistant_id}", responses=documented(ASSISTANT))
async def update_assistant(assistant_id: str, body: AssistantChanges, engine: EngineOf, caller: CallerOf) -> Response:
    """Makes the next version: what is not given stays, `metadata` is merged."""
    present = await engine.assistants.get(uuid_of("assistant", assistant_id), caller)
    if body.graph_id is not None:
        engine.graphs.require(body.graph_id)
    changes = {key: item for key, item in body.model_dump().items() if item is not None}
    config, context = mirrored(body.config, body.context)
    if config is not None:
        changes["config"] = config if body.config is not None else {**present.config, **config}
        changes["context"] = context
    updated = await engine.assistants.update(present.assistant_id, caller, now=engine.now(), changes=changes)
    return Json(assistant_wire(updated))


@router.delete("/{assistant_id}", status_code=204)
async def delete_assistant(
    assistant_id: str, engine: EngineOf, caller: CallerOf, delete_threads: bool = False
) -> Response:
    """With `delete_threads`, the threads that its runs went to last go with it. System assistants stay."""
    removed = uuid_of("assistant", assistant_id)
    await engine.assistants.delete(removed, caller)
    query = ThreadQuery(metadata={"assistant_id": removed}, limit=_ALL)
    while delete_threads and (threads := await engine.threads.search(query, caller)):
        for thread in threads:
            await remove_thread(engine, thread, caller)
    return Response(status_code=204)


@router.post("/{assistant_id}/versions", responses=documented([ASSISTANT]))
async def list_versions(
    assistant_id: str, body: AssistantVersionsQuery, engine: EngineOf, caller: CallerOf
) -> Response:
    """Newest first."""
    versions = await engine.assistants.versions(uuid_of("assistant", assistant_id), caller)
    found = [version for version in versions if contains(version.metadata, body.metadata)]
    page = found[body.offset : body.offset + body.limit]
    rows = [{key: item for key, item in assistant_wire(one).items() if key != "updated_at"} for one in page]
    return Json(rows, headers=page_headers(total=len(found), offset=body.offset, returned=len(rows)))


@router.post("/{assistant_id}/latest", responses=documented(ASSISTANT))
async def set_latest(assistant_id: str, body: AssistantVersionChoice, engine: EngineOf, caller: CallerOf) -> Response:
    """Go back (or forward) to a version, whole: its graph, config, context, metadata, name and description."""
    chosen = uuid_of("assistant", assistant_id)
    return Json(assistant_wire(await engine.assistants.set_latest(chosen, body.version, caller, now=engine.now())))


@router.get("/{assistant_id}/graph", responses=documented(GRAPH))
async def draw_graph(
    assistant_id: str,
    engine: EngineOf,
    caller: CallerOf,
    xray: Annotated[str | None, Query(description="true, or a depth: look into subgraphs")] = None,
) -> Response:
    """The graph's nodes and edges; the id may be a graph's name."""
    depth = _xray(xray)
    assistant = await engine.acceptance.assistant(assistant_id, caller)
    async with engine.graphs.bound(assistant.graph_id, assistant.config, access="assistants.read") as graph:
        return Json(drawing((await graph.aget_graph(xray=depth)).to_json()))


@router.get("/{assistant_id}/schemas", responses=documented(SCHEMAS))
async def get_schemas(assistant_id: str, engine: EngineOf, caller: CallerOf) -> Response:
    assistant = await engine.assistants.get(uuid_of("assistant", assistant_id), caller)
    async with engine.graphs.bound(assistant.graph_id, assistant.config, access="assistants.read") as graph:
        return Json({"graph_id": assistant.graph_id, **graph_schemas(graph)})


@router.get("/{assistant_id}/subgraphs", responses=documented({"sub": SCHEMAS}))
async def get_subgraphs(assistant_id: str, engine: EngineOf, caller: CallerOf, recurse: bool = False) -> Response:
    return await _subgraphs(engine, caller, assistant_id, None, recurse=recurse)


@router.get("/{assistant_id}/subgraphs/{namespace}", responses=documented({"sub": SCHEMAS}))
async def get_subgraphs_of(
    assistant_id: str, namespace: str, engine: EngineOf, caller: CallerOf, recurse: bool = False
) -> Response:
    """Of one namespace; none there is an empty answer."""
    return await _subgraphs(engine, caller, assistant_id, namespace, recurse=recurse)


async def _subgraphs(
    engine: EngineOf, caller: CallerOf, assistant_id: str, namespace: str | None, *, recurse: bool
) -> Response:
    assistant = await engine.assistants.get(uuid_of("assistant", assistant_id), caller)
    async with engine.graphs.bound(assistant.graph_id, assistant.config, access="assistants.read") as graph:
        found = {
            name: graph_schemas(cast(Graph, subgraph))
            async for name, subgraph in graph.aget_subgraphs(namespace=namespace, recurse=recurse)
        }
    return Json(found)


def mirrored(
    config: dict[str, Any] | None, context: dict[str, Any] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """`config.configurable` and `context` are two names of the same values: each is shown as both.

    Both at once is a contradiction waiting to happen, and refused, unless they agree.
    """
    configurable = (config or {}).get("configurable") or {}
    if configurable and context and configurable != context:
        raise BadRequestError("Give either context or config.configurable, not both.")
    if context is not None:
        return {**(config or {}), "configurable": context}, context
    return config, None if config is None else dict(configurable)


def _xray(text: str | None) -> bool | int:
    if text is None or text in ("false", "False"):
        return False
    if text in ("true", "True"):
        return True
    if text.isdecimal() and 0 < int(text) < 100:
        return int(text)
    raise InvalidError(f"xray must be true, false or a depth of at least 1, not {text!r}")
