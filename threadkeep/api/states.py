"""A thread's state: now, at any checkpoint, through its history, and changed by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from langchain_core.runnables import RunnableConfig
from langgraph.errors import InvalidUpdateError
from langgraph.types import StateSnapshot
from starlette.responses import Response

from threadkeep import json
from threadkeep.api.examples import CHECKPOINT, STATE, documented
from threadkeep.api.requests import CallerOf, EngineOf, listed, selected_state, uuid_of
from threadkeep.api.responses import Json, long_response
from threadkeep.api.routing import Route
from threadkeep.api.schemas import CheckpointRef, HistoryQuery, StateAtCheckpoint, StateUpdate, ThreadPatch
from threadkeep.api.wire import EMPTY_STATE, checkpoint_wire, interrupts_of, state_wire
from threadkeep.callers import EVERYONE, Caller
from threadkeep.engine import Engine
from threadkeep.errors import BadRequestError, ConflictError, GraphFactoryError, InvalidError, NotFoundError
from threadkeep.graphs import Graph
from threadkeep.runs.configuration import run_config
from threadkeep.runs.savers import flush
from threadkeep.state_reading import read_history, read_state
from threadkeep.storage.thread_rows import Thread
from threadkeep.unserved import UnservedGraph

router = APIRouter(prefix="/threads/{thread_id}", tags=["Threads"], route_class=Route)

Select = Annotated[list[str] | None, Query(description="Only these fields; values.<key> is one key of the values")]
_LONG = 1_000_000  # bytes of a history, from which on it is sent while it is read
_AT_ONCE = 8  # states of a history in memory
# Names that are no nodes of a graph, but that LangGraph lets an update be written as.
_PSEUDO_NODES = ("__copy__", "__input__", "__end__")


@router.get("/state", responses=documented(STATE))
async def get_state(
    thread_id: str, engine: EngineOf, caller: CallerOf, subgraphs: bool = False, select: Select = None
) -> Response:
    thread = await engine.threads.get(uuid_of("thread", thread_id), caller)
    return Json(selected_state(await state_at(engine, thread, None, subgraphs=subgraphs), listed(select)))


@router.get("/state/{checkpoint_id}", responses=documented(STATE))
async def get_state_at(
    thread_id: str,
    checkpoint_id: str,
    engine: EngineOf,
    caller: CallerOf,
    subgraphs: bool = False,
    select: Select = None,
) -> Response:
    thread = await engine.threads.get(uuid_of("thread", thread_id), caller)
    wanted = CheckpointRef(checkpoint_id=checkpoint_id)
    return Json(selected_state(await state_at(engine, thread, wanted, subgraphs=subgraphs), listed(select)))


@router.post("/state/checkpoint", responses=documented(STATE))
async def get_state_at_checkpoint(
    thread_id: str, body: StateAtCheckpoint, engine: EngineOf, caller: CallerOf
) -> Response:
    """Of a subgraph too, by its `checkpoint_ns`; a checkpoint without an id is the newest."""
    thread = await engine.threads.get(uuid_of("thread", thread_id), caller)
    state = await state_at(engine, thread, body.checkpoint, subgraphs=bool(body.subgraphs))
    return Json(selected_state(state, body.select))


@router.post(
    "/state",
    responses=documented({"checkpoint": CHECKPOINT, "configurable": CHECKPOINT, "checkpoint_id": "1f0c7a00-..."}),
)
async def update_state(thread_id: str, body: StateUpdate, engine: EngineOf, caller: CallerOf) -> Response:
    """Writes `values` as if a node had; at an older checkpoint this makes a fork."""
    thread = await engine.threads.get(uuid_of("thread", thread_id), caller)
    async with engine.worker.keep_off(thread.thread_id):
        made = await _update(engine, await engine.threads.get(thread.thread_id, caller), body)
    engine.acceptance.feeds.state_changed(thread.thread_id)
    written = checkpoint_wire(made) or {}
    return Json({"checkpoint": written, "configurable": written, "checkpoint_id": written.get("checkpoint_id")})


async def _update(engine: Engine, thread: Thread, body: StateUpdate) -> RunnableConfig:
    """The configuration of the checkpoint that the update made."""
    if thread.status == "busy":
        raise ConflictError("Thread is busy with a run; its state can be changed when the run has ended.")
    graph_id = graph_of(engine, thread)
    if graph_id is None:
        raise BadRequestError(
            "This thread has no graph yet: run one on it first, or create it with graph_id in its metadata."
        )
    if graph_id not in engine.graphs.ids:
        raise ConflictError(f"The graph {graph_id!r} of this thread is no longer served; its state can only be read.")
    checkpoint = body.checkpoint or CheckpointRef(checkpoint_id=body.checkpoint_id)
    if checkpoint.checkpoint_id is not None:
        await state_at(engine, thread, checkpoint, subgraphs=False)  # raises when it is not there
    async with engine.graphs.bound(graph_id, await told_of(engine, thread, graph_id), access="threads.update") as graph:
        if not checkpoint.checkpoint_ns:
            check_node(graph, body.as_node)
        try:
            made = await graph.aupdate_state(config_of(thread.thread_id, checkpoint), body.values, as_node=body.as_node)
        except (ValueError, KeyError, TypeError, InvalidUpdateError) as error:
            raise BadRequestError(f"The state cannot be updated like this: {error}") from error
        snapshot = await read_state(graph, config_of(thread.thread_id, None))
    await flush(engine.saver)
    await engine.threads.note_state(
        thread.thread_id,
        now=engine.now(),
        status="interrupted" if snapshot.next else "idle",
        interrupts=interrupts_of(snapshot),
        graph_id=graph_id,
    )
    return made


@router.patch("/state", status_code=204)
async def patch_state(thread_id: str, body: ThreadPatch, engine: EngineOf, caller: CallerOf) -> Response:
    """Merges `metadata` into the thread's."""
    await engine.threads.patch(uuid_of("thread", thread_id), caller, now=engine.now(), metadata=body.metadata)
    return Response(status_code=204)


@router.get("/history", responses=documented([STATE]))
async def get_history(
    thread_id: str,
    engine: EngineOf,
    caller: CallerOf,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    before: Annotated[str | None, Query(description="A checkpoint id")] = None,
) -> Response:
    return await _history(engine, thread_id, HistoryQuery(limit=limit, before=before), caller)


@router.post("/history", responses=documented([STATE]))
async def search_history(thread_id: str, body: HistoryQuery, engine: EngineOf, caller: CallerOf) -> Response:
    """Newest first; `before` is a checkpoint, its id, or a config that holds one."""
    return await _history(engine, thread_id, body, caller)


async def _history(engine: Engine, thread_id: str, query: HistoryQuery, caller: Caller) -> Response:
    states = history_of(engine, await engine.threads.get(uuid_of("thread", thread_id), caller), query)
    written: list[bytes] = []
    size = 0
    async for state in states:
        written.append(json.dumps(state))
        size += len(written[-1])
        if size > _LONG:
            body = _rest_of_history(written, states)
            return long_response(engine, body, media_type="application/json", heartbeat=b"\n", headers={})
    return Response(b"[" + b",".join(written) + b"]", media_type="application/json")


async def _rest_of_history(
    written: list[bytes], states: AsyncGenerator[dict[str, Any], None]
) -> AsyncGenerator[bytes, None]:
    """The JSON of all states, of which some are written already. Those of a long thread together are more than should
    be in memory, and take longer than other people should wait.
    """
    async with aclosing(states):
        yield b"[" + b",".join(written)
        written.clear()
        async for state in states:
            yield b"," + json.dumps(state)
        yield b"]"


async def history_of(engine: Engine, thread: Thread, query: HistoryQuery) -> AsyncGenerator[dict[str, Any], None]:
    """The thread's states, newest first."""
    before = _before(thread.thread_id, query.before)
    graph_id = graph_of(engine, thread)
    if graph_id is None:
        return
    config = config_of(thread.thread_id, query.checkpoint)
    left = query.limit or 10
    async with engine.graphs.reading(graph_id, await told_of(engine, thread, graph_id)) as graph:
        while left > 0:
            asked = min(left, _AT_ONCE)  # LangGraph has all it was asked for in memory
            page = await read_history(graph, config, filter=query.metadata, before=before, limit=asked)
            for snapshot in page:
                yield selected_state(state_wire(snapshot, engine.mask), query.select)
                await asyncio.sleep(0)  # one of a long thread is milliseconds of work
            if len(page) < asked:
                break
            left -= asked
            before = _before(thread.thread_id, page[-1].config["configurable"]["checkpoint_id"])


def _before(thread_id: str, before: str | dict[str, Any] | None) -> RunnableConfig | None:
    """A checkpoint id, a checkpoint, or a whole config: clients send all three."""
    if before is None:
        return None
    if isinstance(before, dict):
        nested = before.get("configurable")
        before = before.get("checkpoint_id") or (nested.get("checkpoint_id") if isinstance(nested, dict) else None)
        if not isinstance(before, str):
            raise InvalidError("before must be a checkpoint id, or an object that holds one as checkpoint_id.")
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": before}}


async def state_of(engine: Engine, thread: Thread) -> dict[str, Any]:
    """The thread's newest state as the API shows it; as it is stored, where its graph cannot be made."""
    try:
        return await state_at(engine, thread, None, subgraphs=False)
    except GraphFactoryError:
        return state_wire(await _stored(engine, thread.thread_id), engine.mask)


async def state_at(
    engine: Engine, thread: Thread, checkpoint: CheckpointRef | None, *, subgraphs: bool
) -> dict[str, Any]:
    wanted = None if checkpoint is None else checkpoint.checkpoint_id
    config = config_of(thread.thread_id, checkpoint)
    graph_id = graph_of(engine, thread)
    if graph_id is None:
        if wanted:
            raise _no_checkpoint(thread, wanted)
        return dict(EMPTY_STATE)
    async with engine.graphs.reading(graph_id, await told_of(engine, thread, graph_id)) as graph:
        snapshot = await read_state(graph, config, subgraphs=subgraphs)
    if wanted and snapshot.created_at is None:
        raise _no_checkpoint(thread, wanted)
    return state_wire(snapshot, engine.mask) if snapshot.created_at is not None else dict(EMPTY_STATE)


def _no_checkpoint(thread: Thread, checkpoint_id: str) -> NotFoundError:
    return NotFoundError(f"Checkpoint {checkpoint_id} not found in thread {thread.thread_id}")


def graph_of(engine: Engine, thread: Thread) -> str | None:
    """The graph that reads the thread's state: that of its newest run (stamped in its metadata), else its first.

    A graph that is no longer served is named all the same when the thread ran with it; `Graphs.reading` copes.
    """
    for named in (thread.metadata.get("graph_id"), thread.graph_id):
        if isinstance(named, str) and named in engine.graphs.ids:
            return named
    return thread.graph_id


async def told_of(engine: Engine, thread: Thread, graph_id: str) -> RunnableConfig:
    """What a factory that makes the thread's graph again is told: what it was told for the thread's newest run."""
    if not engine.graphs.made_for_each_use(graph_id):
        return {}
    if runs := await engine.queue.list_runs(thread.thread_id, EVERYONE, limit=1):
        return run_config(runs[0])
    ids = {"thread_id": thread.thread_id, "graph_id": graph_id}
    return {"configurable": {**thread.config.get("configurable", {}), **ids}}


def check_node(graph: Graph, name: str | None) -> None:
    if name is not None and name not in (*graph.nodes, *_PSEUDO_NODES):
        known = ", ".join(sorted(node for node in graph.nodes if not node.startswith("__")))
        raise BadRequestError(f"Node {name!r} does not exist; this graph's nodes are: {known}")


@dataclass(frozen=True, slots=True)
class StateNow:
    values: Any
    """Of the newest checkpoint, as the graph holds them; None before the thread's first run has made one."""
    next: Sequence[str]
    interrupts: dict[str, list[dict[str, Any]]]


async def state_now(engine: Engine, thread: Thread, thread_id: str) -> StateNow:
    """The newest state under `thread_id`, read with the graph of `thread`."""
    graph_id = graph_of(engine, thread)
    if graph_id is None:
        return StateNow(None, (), {})
    async with engine.graphs.reading(graph_id, await told_of(engine, thread, graph_id)) as graph:
        return _now(await read_state(graph, config_of(thread_id, None)))


async def state_known(engine: Engine, thread: Thread) -> StateNow:
    """The thread's newest state; where its graph cannot be made, as much of it as the saver alone can tell."""
    try:
        return await state_now(engine, thread, thread.thread_id)
    except GraphFactoryError:
        return _now(await _stored(engine, thread.thread_id))


async def _stored(engine: Engine, thread_id: str) -> StateSnapshot:
    return await UnservedGraph(engine.saver).aget_state(config_of(thread_id, None))


def _now(snapshot: StateSnapshot) -> StateNow:
    if snapshot.created_at is None:
        return StateNow(None, (), {})
    return StateNow(snapshot.values, snapshot.next, interrupts_of(snapshot))


def config_of(thread_id: str, checkpoint: CheckpointRef | None) -> RunnableConfig:
    configurable: dict[str, Any] = {"thread_id": thread_id, "checkpoint_ns": ""}
    if checkpoint is not None:
        if checkpoint.thread_id is not None and checkpoint.thread_id != thread_id:
            raise InvalidError("The checkpoint belongs to another thread.")
        configurable.update(checkpoint.model_dump(exclude_none=True, exclude={"thread_id"}))
    return {"configurable": configurable}
