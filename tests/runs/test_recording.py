"""Traces are stored while their run goes on, wherever in the graph the work is done."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypedDict
from uuid import uuid4

from langgraph.graph import START, StateGraph

from checkpoints import open_checkpointer, open_store
from tests.api.waiting import until
from threadkeep.callers import EVERYONE
from threadkeep.config import Config, GraphSpec
from threadkeep.config_values import Target
from threadkeep.engine import open_engine
from threadkeep.runs.accept import RunRequest
from threadkeep.settings import Settings
from threadkeep.storage.traces import Traces


class Counted(TypedDict):
    number: int


async def test_a_long_subgraph_is_traced_before_it_has_ended(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def step(state: Counted) -> Counted:
        if state["number"] == 80:
            await gate.wait()
        return {"number": state["number"] + 1}

    def more(state: Counted) -> str:
        return "step" if state["number"] <= 80 else "__end__"

    inner = StateGraph(Counted).add_node("step", step).add_edge(START, "step").add_conditional_edges("step", more)
    graph: Any = StateGraph(Counted).add_node("inner", inner.compile()).add_edge(START, "inner").compile()
    async with open_engine(
        Settings(data_dir=tmp_path / "data"),
        Config(tmp_path, {"g": GraphSpec(Target("./g.py", "graph"))}),
        {"g": graph},
        open_saver=open_checkpointer,
        open_store=open_store,
    ) as engine:
        request = RunRequest("g", input={"number": 0}, if_not_exists="create", config={"recursion_limit": 200})
        run = (await engine.acceptance.accept(request, EVERYONE, thread_id=str(uuid4()))).run
        stream = engine.event_log.live(run.run_id)
        assert stream is not None

        await until(
            lambda: Traces(engine.database).of_run(run.run_id, run.thread_id), lambda trace: len(trace[0]) >= 64
        )
        assert not stream.ended
        gate.set()
        assert await stream.until_over()
