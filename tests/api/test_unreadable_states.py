"""Threads whose newest checkpoint cannot be read as LangGraph reads it: what failed in the run fails again there."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from langgraph_sdk.errors import BadRequestError

from tests.api.sdk import Sdk
from tests.api.test_streams import Following
from tests.api.waiting import SECONDS, until_true
from tests.api_requirements import requirement

HELLO = [{"role": "user", "content": "hi"}]
REFUSED = {
    "a message of no known type": ("echo", {"messages": [{"role": "nope", "content": "x"}]}, {"messages": []}),
    "a value its field does not take": ("typed", {"a": "zz"}, {"a": "zz"}),
    "two nodes that write one key": ("colliding", {"key": "war"}, {"key": "war"}),
    "a reducer that raises": ("listed", {"items": "notalist"}, {"items": []}),
}
CASES = pytest.mark.parametrize(("graph", "given", "values"), REFUSED.values(), ids=REFUSED.keys())


async def failed(sdk: Sdk, graph: str, given: dict[str, Any]) -> str:
    """A thread whose one run has failed."""
    key = str((await sdk.threads.create())["thread_id"])
    ended = await sdk.runs.wait(key, graph, input=given, raise_error=False)
    assert set(ended) == {"__error__"}
    return key


@requirement("state.unreadable")
@CASES
async def test_a_thread_whose_run_failed_opens_and_lists_with_what_was_stored_before(
    sdk: Sdk, raw: httpx.AsyncClient, graph: str, given: dict[str, Any], values: dict[str, Any]
) -> None:
    key = await failed(sdk, graph, given)
    thread = await sdk.threads.get(key)
    assert (thread["status"], thread["values"]) == ("error", values)
    assert [row["values"] for row in await sdk.threads.search(ids=[key])] == [values]
    assert (await sdk.threads.update(key, metadata={"seen": "yes"}))["values"] == values
    assert await sdk.threads.count(values=values, metadata={"seen": "yes"}) == 1
    copied = await sdk.threads.copy(key)
    assert copied["values"] == values
    assert (await sdk.threads.get_state(copied["thread_id"]))["values"] == values
    asked = {"id": 1, "method": "state.get", "params": {"namespace": []}}
    told = (await raw.post(f"/threads/{key}/commands", json=asked)).json()
    assert told["result"]["values"] == values


@requirement("state.unreadable")
@CASES
async def test_the_state_and_the_history_of_a_failed_run_name_what_would_run_next(
    sdk: Sdk, graph: str, given: dict[str, Any], values: dict[str, Any]
) -> None:
    key = await failed(sdk, graph, given)
    state = await sdk.threads.get_state(key)
    waiting = {"typed": ["add_one"], "colliding": ["ask", "left", "right"]}.get(graph, ["__start__"])
    assert (state["values"], sorted(state["next"])) == (values, waiting)
    assert await sdk.threads.get_state(key, subgraphs=True) == state
    at = await sdk.threads.get_state(key, checkpoint_id=state["checkpoint"]["checkpoint_id"])
    newest = (await sdk.threads.get_history(key))[0]
    assert newest == at
    assert (at["values"], at["next"], at["checkpoint"]) == (values, state["next"], state["checkpoint"])


@requirement("state.unreadable")
@CASES
async def test_who_follows_a_thread_sees_its_run_fail_and_its_state(
    sdk: Sdk, raw: httpx.AsyncClient, graph: str, given: dict[str, Any], values: dict[str, Any]
) -> None:
    key = str((await sdk.threads.create())["thread_id"])
    seen = Following(raw, key, 1)
    following = asyncio.create_task(seen.read({"stream_mode": ["run_modes", "state_update"]}))
    await until_true(lambda: seen.connected)
    await sdk.runs.wait(key, graph, input=given, raise_error=False)
    await asyncio.wait_for(following, SECONDS)
    (update,) = [frame.data["state"] for frame in seen.frames if frame.event == "state_update"]
    assert update["values"] == values
    assert seen.frames[-1].data["status"] == "run_done"


@requirement("state.unreadable")
async def test_valid_input_after_a_failed_run_goes_on_as_langgraph_does(sdk: Sdk) -> None:
    for name, good, expected in (
        ("two nodes that write one key", {"key": "peace"}, {"key": "left"}),
        ("a reducer that raises", {"items": ["good"]}, {"items": ["good", "added"]}),
    ):
        graph, given, _ = REFUSED[name]
        key = await failed(sdk, graph, given)
        assert await sdk.runs.wait(key, graph, input=good) == expected
        assert ((await sdk.threads.get(key))["values"], (await sdk.threads.get(key))["status"]) == (expected, "idle")
    key = await failed(sdk, *REFUSED["a message of no known type"][:2])
    answered = (await sdk.runs.wait(key, "echo", input={"messages": HELLO}))["messages"]
    assert [message["content"] for message in answered] == ["hi", "echo: hi"]
    # LangGraph has stored the value that no node takes, and reads it before it takes in the next.
    key = await failed(sdk, *REFUSED["a value its field does not take"][:2])
    again = await sdk.runs.wait(key, "typed", input={"a": 1}, raise_error=False)
    assert again["__error__"]["error"] == "ValidationError"
    assert (await sdk.threads.get_state(key))["values"] == {"a": "zz"}


@requirement("state.unreadable")
async def test_one_checkpoint_that_cannot_be_read_hides_none_of_its_thread(sdk: Sdk) -> None:
    key = str((await sdk.threads.create())["thread_id"])
    await sdk.runs.wait(key, "typed", input={"a": 1})
    before = await sdk.threads.get_history(key)
    await sdk.runs.wait(key, "typed", input={"a": "zz"}, raise_error=False)
    after = await sdk.threads.get_history(key)
    assert [state["values"] for state in after[: -len(before)]] == [{"a": "zz"}, {"a": 2}]
    assert after[-len(before) :] == before
    with pytest.raises(BadRequestError, match="valid integer"):
        await sdk.threads.update_state(key, {"a": "zz"})


@requirement("state.unreadable")
async def test_an_update_that_cannot_be_applied_leaves_a_thread_as_it_was(sdk: Sdk) -> None:
    key = str((await sdk.threads.create())["thread_id"])
    await sdk.runs.wait(key, "listed", input={"items": ["good"]})
    before = await sdk.threads.get_state(key)
    ended = await sdk.runs.wait(key, "listed", command={"update": {"items": 5}, "goto": "add_item"}, raise_error=False)
    assert ended["__error__"]["error"] == "TypeError"
    assert await sdk.threads.get_state(key) == before
    assert await sdk.threads.get_history(key, limit=1) == [before]


@requirement("state.unreadable")
async def test_what_is_left_out_are_results_and_not_the_questions_beside_them(sdk: Sdk) -> None:
    state = await sdk.threads.get_state(await failed(sdk, "colliding", {"key": "asking"}))
    assert (state["values"], [item["value"] for item in state["interrupts"]]) == ({"key": "asking"}, ["who?"])
