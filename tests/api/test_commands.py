"""Interrupts and what follows them: resume, update, goto, stops before and after nodes, forks from checkpoints."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk.errors import NotFoundError

from tests.api.sdk import Sdk
from tests.api_requirements import requirement


async def new_thread(sdk: Sdk) -> str:
    return str((await sdk.threads.create())["thread_id"])


@requirement("interrupts.shown", "interrupts.resume")
async def test_an_interrupted_run_is_shown_everywhere_and_resumed_twice(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    waiting: Any = await sdk.runs.wait(key, "asking", input={"topic": "tea"})
    (shown,) = waiting["__interrupt__"]
    assert (set(shown), shown["value"]) == ({"id", "value", "response_schema"}, {"question": "first about tea?"})
    thread = await sdk.threads.get(key)
    assert thread["status"] == "interrupted"
    assert [interrupt for found in thread["interrupts"].values() for interrupt in found] == [
        {"id": shown["id"], "value": shown["value"]}
    ]
    state: Any = await sdk.threads.get_state(key)
    assert (state["next"], state["interrupts"]) == (["ask"], [{"id": shown["id"], "value": shown["value"]}])
    assert (await sdk.runs.list(key))[0]["status"] == "success"
    assert (await sdk.runs.join(key, (await sdk.runs.list(key))[0]["run_id"]))["__interrupt__"]
    second: Any = await sdk.runs.wait(key, "asking", command={"resume": "green"})
    assert second["__interrupt__"][0]["value"] == {"question": "second?"}
    done: Any = await sdk.runs.wait(key, "asking", command={"resume": {second["__interrupt__"][0]["id"]: "black"}})
    assert (done["first"], done["second"]) == ("green", "black")
    assert (await sdk.threads.get(key))["interrupts"] == {}
    assert (await sdk.threads.get(key))["status"] == "idle"


@requirement("interrupts.resume.stale")
async def test_resuming_a_finished_thread_changes_nothing(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    done = await sdk.runs.wait(key, "steps", input={"note": "x"})
    assert await sdk.runs.wait(key, "steps", command={"resume": "late"}) == done
    assert (await sdk.threads.get(key))["status"] == "idle"


@requirement("interrupts.ui")
async def test_chat_uis_send_input_and_a_checkpoint_beside_the_command(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await new_thread(sdk)
    await sdk.runs.wait(key, "asking", input={"topic": "tea"})
    state = await sdk.threads.get_state(key)
    body = {
        "assistant_id": "asking",
        "input": {},
        "command": {"resume": "green"},
        "checkpoint": {"checkpoint_id": state["checkpoint"]["checkpoint_id"], "checkpoint_ns": ""},
        "stream_mode": ["values", "messages-tuple", "custom"],
        "stream_subgraphs": True,
        "stream_resumable": True,
        "on_disconnect": "continue",
    }
    answer: Any = (await raw.post(f"/threads/{key}/runs/wait", json=body)).json()
    assert answer["__interrupt__"][0]["value"] == {"question": "second?"}


@requirement("interrupts.nodes")
async def test_a_run_stops_before_and_after_nodes_and_goes_on(sdk: Sdk) -> None:
    for stop, expected in ((["second"], ["first"]), ("*", [])):
        key = await new_thread(sdk)
        stopped: Any = await sdk.runs.wait(key, "steps", input={"note": "x"}, interrupt_before=stop)
        assert stopped["path"] == expected
        assert (await sdk.threads.get(key))["status"] == "interrupted"
        done: Any = await sdk.runs.wait(key, "steps", input=None)
        assert done["path"] == ["first", "second", "third"]
    key = await new_thread(sdk)
    after: Any = await sdk.runs.wait(key, "steps", input={"note": "x"}, interrupt_after=["second"])
    assert after["path"] == ["first", "second"]
    assert (await sdk.threads.get_state(key))["next"] == ["third"]


@requirement("command.goto", "command.update")
async def test_a_command_updates_the_state_and_jumps(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    await sdk.runs.wait(key, "steps", input={"note": "x"})
    jumped: Any = await sdk.runs.wait(key, "steps", command={"goto": "third", "update": {"path": ["jump"]}})
    assert jumped["path"] == ["first", "second", "third", "jump", "third"]
    pairs: Any = await sdk.runs.wait(key, "steps", command={"goto": ["third"], "update": [["path", ["pair"]]]})
    assert pairs["path"][-2:] == ["pair", "third"]
    sent: Any = await sdk.runs.wait(key, "steps", command={"goto": {"node": "shout", "input": {"word": "hey"}}})
    assert sent["path"][-1] == "HEY"
    many: Any = await sdk.runs.wait(
        key, "steps", command={"goto": [{"node": "shout", "input": {"word": word}} for word in ("a", "b")]}
    )
    assert many["path"][-2:] == ["A", "B"]
    ended: Any = await sdk.runs.wait(key, "steps", command={"goto": "__end__"})
    assert ended["path"] == many["path"]


@requirement("runs.checkpoint")
async def test_a_run_from_a_checkpoint_makes_a_fork_by_any_of_its_names(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    await sdk.runs.wait(key, "steps", input={"note": "old"})
    old = next(state for state in await sdk.threads.get_history(key, limit=50) if state["next"] == ["third"])
    checkpoint_id = old["checkpoint"]["checkpoint_id"]
    ways: list[dict[str, Any]] = [
        {"checkpoint_id": checkpoint_id},
        {"checkpoint": {"checkpoint_id": checkpoint_id, "checkpoint_ns": ""}},
        {"checkpoint": old["checkpoint"]},
        {"config": {"configurable": {"checkpoint_id": checkpoint_id}}},
    ]
    for way in ways:
        forked: Any = await sdk.runs.wait(key, "steps", input=None, **way)
        assert forked["path"] == ["first", "second", "third"]
    regenerated: Any = await sdk.runs.wait(key, "steps", input={"note": "new"}, checkpoint_id=checkpoint_id)
    assert regenerated == {"path": ["first", "second", "first", "second", "third"], "note": "new"}
    with pytest.raises(NotFoundError, match="not found in thread"):
        await sdk.runs.create(key, "steps", input=None, checkpoint_id=str(uuid4()))
    assert (await sdk.threads.get(key))["values"] == regenerated
