"""Commands of the thread protocol that only read: a thread's state, its checkpoints, the tree of its graphs."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from threadkeep import json
from threadkeep.api.protocol_answers import Answer, OnThread, RefusedError, known_thread
from threadkeep.api.schemas import Body, CheckpointRef, HistoryQuery
from threadkeep.api.states import history_of, state_at
from threadkeep.errors import NotFoundError
from threadkeep.runs.run import Run
from threadkeep.storage.thread_rows import Thread

_STATUS = {"pending": "started", "running": "running", "success": "completed"}


class StateParams(Body):
    namespace: list[str] = Field(default_factory=list)
    keys: list[str] | None = None


class CheckpointsParams(Body):
    namespace: list[str] | None = None
    limit: int | None = Field(None, ge=1, le=1000)
    before: str | None = None


class TreeParams(Body):
    run_id: str | None = None


async def get_state(on: OnThread, params: dict[str, Any]) -> Answer:
    """The values at a namespace, as `GET /threads/{id}/state` shows those of the root."""
    asked = StateParams.model_validate(params)
    namespace = "|".join(asked.namespace)
    state = await state_at(on.engine, await _thread(on), CheckpointRef(checkpoint_ns=namespace), subgraphs=False)
    if namespace and state["created_at"] is None:
        raise RefusedError("no_such_namespace", f"No state is kept for the namespace {asked.namespace}.")
    values = state["values"]
    if asked.keys is not None and isinstance(values, dict):
        values = {key: values[key] for key in asked.keys if key in values}
    found = state["checkpoint"] or {}
    if not found.get("checkpoint_id"):
        return Answer({"values": values})
    return Answer({"values": values, "checkpoint": {"id": found["checkpoint_id"], "ns": namespace}})


async def list_checkpoints(on: OnThread, params: dict[str, Any]) -> Answer:
    """Newest first, as `POST /threads/{id}/history` has them, without their values."""
    asked = CheckpointsParams.model_validate(params)
    at = CheckpointRef(checkpoint_ns="|".join(asked.namespace)) if asked.namespace else None
    query = HistoryQuery(limit=asked.limit or 10, before=asked.before, checkpoint=at)
    states = [state async for state in history_of(on.engine, await _thread(on), query)]
    return Answer({"checkpoints": [_summary(state) for state in states]})


def _summary(state: dict[str, Any]) -> dict[str, Any]:
    metadata = state["metadata"] or {}
    checkpoint_id = (state["checkpoint"] or {}).get("checkpoint_id")
    return {
        "id": checkpoint_id,
        "timestamp": state["created_at"],
        "step": metadata.get("step"),
        "metadata": metadata,
    }


async def get_tree(on: OnThread, params: dict[str, Any]) -> Answer:
    """The graph and subgraphs of a run (the newest one unless named), each with how far it has come."""
    asked = TreeParams.model_validate(params)
    run = await _run(on, asked.run_id)
    root: dict[str, Any] = {"namespace": [], "status": _status(run), "graph_name": run.graph_id, "children": []}
    nodes: dict[tuple[str, ...], dict[str, Any]] = {(): root}
    after = 0
    while found := await on.engine.event_log.store.page(run.run_id, after):
        after = found[-1].event.event_id
        for stored in found:
            if stored.event.name.startswith("lifecycle|"):
                _place(nodes, stored.event.name, json.loads(stored.event.data))
    return Answer({"tree": root})


def _place(nodes: dict[tuple[str, ...], dict[str, Any]], name: str, shown: dict[str, Any]) -> None:
    namespace = tuple(name.split("|")[1:])
    node = nodes.get(namespace)
    if node is None:
        node = {"namespace": list(namespace), "graph_name": namespace[-1].partition(":")[0], "children": []}
        nodes[namespace] = node
        above = next(nodes[namespace[:end]] for end in range(len(namespace) - 1, -1, -1) if namespace[:end] in nodes)
        above["children"].append(node)
    node["status"] = shown["event"]


def _status(run: Run) -> str:
    if "interrupts" in run.outcome:
        return "interrupted"
    return _STATUS.get(run.status, "failed")


async def _run(on: OnThread, run_id: str | None) -> Run:
    if run_id is None:
        runs = await on.engine.queue.list_runs(on.thread_id, on.caller, limit=1)
        if not runs:
            raise RefusedError("no_such_run", "Nothing has run on this thread yet.")
        return runs[0]
    try:
        run = await on.engine.queue.get(run_id, on.caller)
    except NotFoundError as error:
        raise RefusedError("no_such_run", str(error)) from error
    if run.thread_id != on.thread_id:
        raise RefusedError("no_such_run", f"Run {run_id} is not of this thread.")
    return run


async def _thread(on: OnThread) -> Thread:
    thread = await known_thread(on)
    if thread is None:
        raise RefusedError("no_such_thread", f"Thread {on.thread_id} not found")
    return thread
