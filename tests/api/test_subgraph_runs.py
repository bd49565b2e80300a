"""Runs that start at a subgraph's checkpoint: what they do is what LangGraph does by itself."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from tests.api.sdk import Sdk
from tests.api_requirements import requirement
from tests.projects.trial.trial_graphs.nested import graph

ASKING = {"text": "sure?"}


async def waiting(sdk: Sdk) -> tuple[str, dict[str, Any], Any, Any]:
    """A thread whose subgraph has asked, at the server and without one, each with the subgraph's checkpoint."""
    key = str((await sdk.threads.create())["thread_id"])
    await sdk.runs.wait(key, "nested", input=ASKING)
    (task,) = (await sdk.threads.get_state(key, subgraphs=True))["tasks"]
    plain = graph.copy({"checkpointer": InMemorySaver()})
    config: Any = {"configurable": {"thread_id": "1"}}
    await plain.ainvoke(ASKING, config)
    (alike,) = (await plain.aget_state(config, subgraphs=True)).tasks
    return key, task["state"]["checkpoint"], plain, alike.state.config


def said(values: Any) -> Any:
    """Values without the ids of their questions, which are made from the thread's."""
    asked = values.get("__interrupt__", [])
    questions = [item["value"] if isinstance(item, dict) else item.value for item in asked]
    return {key: value for key, value in values.items() if key != "__interrupt__"}, questions


@requirement("state.subgraphs.run")
async def test_an_answer_at_a_subgraphs_checkpoint_goes_on_there(sdk: Sdk) -> None:
    key, checkpoint, plain, config = await waiting(sdk)
    expected = await plain.ainvoke(Command(resume="aye"), config)
    values = await sdk.runs.wait(key, "nested", checkpoint=checkpoint, command={"resume": "aye"})
    assert said(values) == said(expected) == ({"text": "inner sure? aye"}, [])
    assert (await sdk.threads.get(key))["status"] == "idle"
    root: Any = {"configurable": {"thread_id": "1"}}
    alike = [(one.values, list(one.next)) async for one in plain.aget_state_history(root)]
    assert [(one["values"], one["next"]) for one in await sdk.threads.get_history(key)] == alike


@requirement("state.subgraphs.run")
async def test_no_input_at_a_subgraphs_checkpoint_asks_again(sdk: Sdk) -> None:
    key, checkpoint, plain, config = await waiting(sdk)
    expected = await plain.ainvoke(None, config)
    values = await sdk.runs.wait(key, "nested", checkpoint=checkpoint, input=None)
    assert said(values) == said(expected) == (ASKING, ["really?"])
    assert (await sdk.threads.get(key))["status"] == "interrupted"


@requirement("state.subgraphs.run")
async def test_a_subgraphs_older_checkpoint_is_a_place_to_go_on_from(sdk: Sdk) -> None:
    key, checkpoint, plain, config = await waiting(sdk)
    inside: Any = {"configurable": {key: config["configurable"][key] for key in ("thread_id", "checkpoint_ns")}}
    older = [one async for one in plain.aget_state_history(inside)][1].config
    at = (await sdk.threads.get_history(key, checkpoint={"checkpoint_ns": checkpoint["checkpoint_ns"]}))[1]
    assert at["next"] == ["inner_a"]
    expected = await plain.ainvoke(None, older)
    values = await sdk.runs.wait(key, "nested", checkpoint=at["checkpoint"], input=None)
    assert said(values) == said(expected) == (ASKING, ["really?"])
    expected = await plain.ainvoke(Command(resume="aye"), {"configurable": {"thread_id": "1"}})
    assert await sdk.runs.wait(key, "nested", command={"resume": "aye"}) == expected
