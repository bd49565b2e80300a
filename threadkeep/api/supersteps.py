"""State that a thread is born with: super-steps applied one after the other, as if nodes had written them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import InvalidUpdateError
from langgraph.types import StateUpdate

from threadkeep.api.removal import remove_thread
from threadkeep.api.schemas import Superstep, SuperstepUpdate
from threadkeep.api.states import check_node, state_now, told_of
from threadkeep.callers import EVERYONE
from threadkeep.engine import Engine
from threadkeep.errors import BadRequestError, GraphFactoryError
from threadkeep.runs.resume import command_of
from threadkeep.runs.savers import flush
from threadkeep.storage.thread_rows import Thread


async def create_with_state(
    engine: Engine, thread: Thread, supersteps: Sequence[Superstep], *, keep_existing: bool
) -> Thread:
    """Store the thread, then its state; when that cannot be, neither. An existing thread is left as it is."""
    graph_id = thread.graph_id
    if graph_id is None:
        raise BadRequestError("supersteps need metadata.graph_id, the name of a served graph.")
    try:
        async with engine.worker.keep_off(thread.thread_id):
            made = await engine.threads.create(thread, keep_existing=keep_existing)
            if made is not thread:
                return made
            await _apply(engine, thread, graph_id, supersteps)
            state = await state_now(engine, thread, thread.thread_id)
            await flush(engine.saver)
            await engine.threads.note_state(
                thread.thread_id,
                now=engine.now(),
                status="interrupted" if state.next else "idle",
                interrupts=state.interrupts,
                graph_id=graph_id,
            )
    except (BadRequestError, GraphFactoryError):
        await remove_thread(engine, thread, EVERYONE)
        raise
    return await engine.threads.get(thread.thread_id, EVERYONE)


async def _apply(engine: Engine, thread: Thread, graph_id: str, supersteps: Sequence[Superstep]) -> None:
    config: RunnableConfig = {"configurable": {"thread_id": thread.thread_id, "checkpoint_ns": ""}}
    async with engine.graphs.bound(graph_id, await told_of(engine, thread, graph_id), access="threads.update") as graph:
        for step in supersteps:
            for update in step.updates:
                check_node(graph, update.as_node)
        try:
            await graph.abulk_update_state(config, [[_update(one) for one in step.updates] for step in supersteps])
        except (ValueError, KeyError, TypeError, InvalidUpdateError) as error:
            raise BadRequestError(f"The supersteps cannot be applied: {error}") from error


def _update(update: SuperstepUpdate) -> StateUpdate:
    values: Any = update.values if update.command is None else command_of(update.command)
    return StateUpdate(values, update.as_node)
