"""State changed by hand and a run that comes meanwhile do not take each other's changes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from langgraph.graph import START, MessagesState, StateGraph
from langgraph_sdk.runtime import ServerRuntime

from checkpoints import open_checkpointer, open_store
from tests.api_requirements import requirement
from threadkeep.api.schemas import StateUpdate
from threadkeep.api.states import state_now, update_state
from threadkeep.callers import EVERYONE
from threadkeep.config import Config, GraphSpec
from threadkeep.config_values import Target
from threadkeep.engine import Engine, open_engine
from threadkeep.runs.accept import AcceptedRun, RunRequest
from threadkeep.settings import Settings


@asynccontextmanager
async def opened(tmp_path: Path, reached: asyncio.Event, gate: asyncio.Event) -> AsyncIterator[Engine]:
    """An engine whose graph, when it is made for an update by hand, waits for the gate."""
    graph = StateGraph(MessagesState).add_node("a", lambda state: {"messages": ["a"]}).add_edge(START, "a").compile()

    async def make(runtime: ServerRuntime[Any]) -> Any:
        if runtime.access_context == "threads.update":
            reached.set()
            await gate.wait()
        return graph

    async with open_engine(
        Settings(data_dir=tmp_path / "data"),
        Config(tmp_path, {"g": GraphSpec(Target("./g.py", "graph"))}),
        {"g": make},
        open_saver=open_checkpointer,
        open_store=open_store,
    ) as engine:
        yield engine


async def started(engine: Engine, thread_id: str, text: str) -> AcceptedRun:
    request = RunRequest("g", input={"messages": text}, if_not_exists="create")
    return await engine.acceptance.accept(request, EVERYONE, thread_id=thread_id, listen=True)


async def ended(accepted: AcceptedRun) -> None:
    assert accepted.events is not None
    async with asyncio.timeout(30):
        async for _ in accepted.events:
            pass


@requirement("state.update.race")
async def test_a_run_accepted_while_state_is_changed_by_hand_starts_after_it(tmp_path: Path) -> None:
    reached, gate = asyncio.Event(), asyncio.Event()
    async with opened(tmp_path, reached, gate) as engine:
        thread_id = str(uuid4())
        await ended(await started(engine, thread_id, "first"))
        body = StateUpdate(values={"messages": "by hand"}, as_node="a")
        updating = asyncio.create_task(update_state(thread_id, body, engine, EVERYONE))
        await reached.wait()
        second = await started(engine, thread_id, "second")
        await ended(await started(engine, str(uuid4()), "elsewhere"))  # others are not held up
        assert (await engine.queue.get(second.run.run_id, EVERYONE)).status == "pending"
        gate.set()
        assert (await updating).status_code == 200
        await ended(second)
        thread = await engine.threads.get(thread_id, EVERYONE)
        values = (await state_now(engine, thread, thread_id)).values
        assert [message.content for message in values["messages"]] == ["first", "a", "by hand", "second", "a"]
        assert thread.status == "idle"
