"""What a client is told of a thread's state, without a run, is still so when the power goes at that moment."""

from __future__ import annotations

import json
from typing import Any

from tests.runs.power_cut import World, answered
from threadkeep.api.schemas import StateUpdate, Superstep, SuperstepUpdate, ThreadCreate
from threadkeep.api.states import update_state
from threadkeep.api.threads import copy_thread, create_thread, delete_thread
from threadkeep.callers import EVERYONE
from threadkeep.engine import Engine

SAID = {"messages": [{"role": "user", "content": "said by hand"}]}


async def contents(engine: Engine, thread_id: str) -> list[Any]:
    config: Any = {"configurable": {"thread_id": thread_id}}
    async with engine.graphs.bound("g") as graph:
        return [message.content for message in (await graph.aget_state(config)).values.get("messages", [])]


async def test_an_update_that_was_answered_is_there(world: World) -> None:
    async with world.opened() as engine:
        thread_id = (await answered(engine, "hello")).run.thread_id
        await update_state(thread_id, StateUpdate(values=SAID), engine, EVERYONE)
        folder = world.power_cut()
    async with world.opened(folder) as engine:
        assert await contents(engine, thread_id) == ["hello", "hello!", "said by hand"]


async def test_a_copy_that_was_answered_is_whole(world: World) -> None:
    async with world.opened() as engine:
        thread_id = (await answered(engine, "hello")).run.thread_id
        copied = json.loads((await copy_thread(thread_id, engine, EVERYONE)).body)["thread_id"]
        folder = world.power_cut()
    async with world.opened(folder) as engine:
        assert (await engine.threads.get(copied, EVERYONE)).status == "idle"
        assert await contents(engine, copied) == ["hello", "hello!"]


async def test_a_thread_that_was_made_with_state_has_it(world: World) -> None:
    steps = [Superstep(updates=[SuperstepUpdate(values=SAID, as_node="answer")])]
    body = ThreadCreate(metadata={"graph_id": "g"}, supersteps=steps)
    async with world.opened() as engine:
        made = json.loads((await create_thread(body, engine, EVERYONE)).body)["thread_id"]
        folder = world.power_cut()
    async with world.opened(folder) as engine:
        assert await contents(engine, made) == ["said by hand"]


async def test_a_thread_that_was_deleted_leaves_nothing(world: World) -> None:
    async with world.opened() as engine:
        thread_id = (await answered(engine, "hello")).run.thread_id
        await delete_thread(thread_id, engine, EVERYONE)
        folder = world.power_cut()
    async with world.opened(folder) as engine:
        assert await contents(engine, thread_id) == []
