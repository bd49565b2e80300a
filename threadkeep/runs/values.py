"""A thread's values as they were: for frames stored as a checkpoint's id, and for runs that ended a while ago."""

from __future__ import annotations

from typing import Any

from threadkeep import json
from threadkeep.callers import EVERYONE
from threadkeep.graphs import Graphs, Readable, saver_of
from threadkeep.runs.configuration import run_config
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.run import Run
from threadkeep.state_reading import read_state, with_writes
from threadkeep.streams.live import GapError
from threadkeep.unserved import UnservedGraph


def _as_it_was(graph: Readable) -> Readable:
    """Reading a checkpoint without what was written beside it after it was made.

    A command that answers a question and updates the state writes the update there, and LangGraph reads it as part of
    the checkpoint from then on.
    """
    return graph if isinstance(graph, UnservedGraph) else with_writes(graph, lambda _: [])


class Values:
    def __init__(self, queue: RunQueue, graphs: Graphs) -> None:
        self._queue = queue
        self._graphs = graphs

    async def at(self, run_id: str, checkpoint_id: str) -> bytes:
        """The JSON of the values at a checkpoint of the run's thread; `GapError` when the checkpoint is gone."""
        run = await self._queue.get(run_id, EVERYONE)
        where = {"thread_id": run.thread_id, "checkpoint_ns": "", "checkpoint_id": checkpoint_id}
        async with self._graphs.bound(run.graph_id, run_config(run)) as graph:
            snapshot = await read_state(_as_it_was(graph), {"configurable": where})
        if snapshot.created_at is None:
            raise GapError("A checkpoint that this stream refers to has been deleted; read the thread's state instead.")
        return json.dumps(snapshot.values)

    async def of_ended(self, run: Run) -> Any:
        """The values that a run ended with, and the questions it ended on."""
        values = run.outcome["values"] if "values" in run.outcome else await self._stored(run)
        if run.outcome.get("interrupts"):
            values = {**(values if isinstance(values, dict) else {}), "__interrupt__": run.outcome["interrupts"]}
        return values

    async def _stored(self, run: Run) -> Any:
        where = {"thread_id": run.thread_id, "checkpoint_ns": ""}
        async with self._graphs.reading(run.graph_id, run_config(run)) as graph:
            checkpoint_id = run.outcome.get("checkpoint_id") or await _last_checkpoint(graph, run)
            read = graph
            if checkpoint_id is not None:
                where["checkpoint_id"] = checkpoint_id
                read = _as_it_was(graph)
            snapshot = await read_state(read, {"configurable": where})
        return json.to_jsonable(snapshot.values or {})


async def _last_checkpoint(graph: Readable, run: Run) -> str | None:
    """The newest checkpoint the run made; none when it made none, or when it is no longer kept."""
    config: Any = {"configurable": {"thread_id": run.thread_id, "checkpoint_ns": ""}}
    found = [item async for item in saver_of(graph).alist(config, filter={"run_id": run.run_id}, limit=1)]
    return str(found[0].config["configurable"]["checkpoint_id"]) if found else None
