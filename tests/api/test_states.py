"""A thread's state through the SDK: now, at a checkpoint, in a subgraph, through its history, changed by hand."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk.errors import BadRequestError, ConflictError, NotFoundError, UnprocessableEntityError

from tests.api.sdk import Sdk
from tests.api.waiting import until
from tests.api_requirements import requirement
from tests.processes import ServerProcess

STATE_KEYS = {
    "values", "next", "tasks", "metadata", "created_at", "checkpoint", "parent_checkpoint", "interrupts",
    "checkpoint_id", "parent_checkpoint_id",
}  # fmt: skip


async def ran(sdk: Sdk, graph: str = "steps", **given: object) -> str:
    thread_id = str((await sdk.threads.create())["thread_id"])
    await sdk.runs.wait(thread_id, graph, input=given or {"note": "x"})
    return thread_id


@requirement("state.empty")
async def test_a_thread_that_never_ran_has_an_empty_state(sdk: Sdk) -> None:
    state = await sdk.threads.get_state((await sdk.threads.create())["thread_id"])
    assert (state["values"], state["next"], state["checkpoint"], state["created_at"]) == ({}, [], None, None)
    assert set(state) == STATE_KEYS
    assert await sdk.threads.get_history((await sdk.threads.create())["thread_id"]) == []


@requirement("state.now", "state.select")
async def test_a_threads_state_has_every_field_and_can_be_shown_in_part(sdk: Sdk) -> None:
    key = await ran(sdk)
    state = await sdk.threads.get_state(key)
    assert set(state) == STATE_KEYS
    assert state["values"] == {"path": ["first", "second", "third"], "note": "x"}
    assert state["checkpoint"]["thread_id"] == key
    assert state["checkpoint"]["checkpoint_id"] == state["checkpoint_id"]
    assert state["parent_checkpoint"]["checkpoint_id"] == state["parent_checkpoint_id"]
    assert (state["metadata"]["source"], state["metadata"]["step"]) == ("loop", 3)
    assert set(await sdk.threads.get_state(key, select=["values", "next"])) == {"values", "next"}
    part = await sdk.threads.get_state(key, select=["values.note", "next"])
    assert part == {"values": {"note": "x"}, "next": []}
    for partial in await sdk.threads.get_history(key, select=["values.path"]):
        assert set(partial["values"]) <= {"path"}


@requirement("state.patch", "queries.lists")
async def test_what_older_javascript_clients_send_is_understood(raw: httpx.AsyncClient, sdk: Sdk) -> None:
    key = await ran(sdk)
    patched = await raw.patch(f"/threads/{key}/state", json={"metadata": {"patched": 1}})
    assert (patched.status_code, patched.content) == (204, b"")
    assert (await sdk.threads.get(key))["metadata"]["patched"] == 1
    as_json = await raw.get(f"/threads/{key}/runs", params={"select": '["run_id"]'})
    assert [set(run) for run in as_json.json()] == [{"run_id"}]
    run_id = as_json.json()[0]["run_id"]
    joined = await raw.get(f"/threads/{key}/runs/{run_id}/stream", params={"stream_mode": '["values","updates"]'})
    assert joined.status_code == 200


@requirement("state.checkpoint")
async def test_the_state_at_any_checkpoint_can_be_read_and_an_unknown_one_is_not_found(sdk: Sdk) -> None:
    key = await ran(sdk)
    history = await sdk.threads.get_history(key)
    old = next(state for state in history if state["next"] == ["second"])
    by_id = await sdk.threads.get_state(key, checkpoint_id=old["checkpoint"]["checkpoint_id"])
    assert by_id == old
    assert await sdk.threads.get_state(key, checkpoint=old["checkpoint"]) == old
    newest = await sdk.threads.get_state(key, checkpoint={"thread_id": key})
    assert newest == history[0]
    with pytest.raises(NotFoundError, match="not found in thread"):
        await sdk.threads.get_state(key, checkpoint_id=str(uuid4()))
    with pytest.raises(UnprocessableEntityError, match="another thread"):
        await sdk.threads.get_state(key, checkpoint={**old["checkpoint"], "thread_id": str(uuid4())})


@requirement("state.subgraphs")
async def test_the_state_of_a_waiting_subgraph_can_be_read(sdk: Sdk) -> None:
    key = await ran(sdk, "nested", text="sure?")
    plain = await sdk.threads.get_state(key)
    task = plain["tasks"][0]
    assert (task["name"], task["state"]) == ("sub", None)
    assert task["interrupts"][0]["value"] == "really?"
    assert task["checkpoint"]["checkpoint_ns"].startswith("sub:")
    deep = await sdk.threads.get_state(key, subgraphs=True)
    inner = deep["tasks"][0]["state"]
    assert inner["values"]["secret"] == "inner sure?"
    assert inner["next"] == ["inner_b"]
    alone = await sdk.threads.get_state(key, checkpoint=task["checkpoint"])
    assert alone["values"]["secret"] == "inner sure?"
    assert (await sdk.threads.get(key))["values"] == {"text": "sure?"}
    # The inner state can be changed too, before the thread goes on.
    await sdk.threads.update_state(key, {"secret": "changed"}, checkpoint=inner["checkpoint"])
    done = await sdk.runs.wait(key, "nested", command={"resume": "yes!"})
    assert done["text"] == "changed yes!"


@requirement("state.update")
async def test_a_state_update_is_written_as_a_node_and_decides_what_comes_next(sdk: Sdk) -> None:
    key = await ran(sdk)
    written = await sdk.threads.update_state(key, {"path": ["by hand"]}, as_node="first")
    assert set(written["checkpoint"]) >= {"thread_id", "checkpoint_ns", "checkpoint_id"}
    state = await sdk.threads.get_state(key)
    assert (state["values"]["path"][-1], state["next"]) == ("by hand", ["second"])
    assert state["metadata"]["source"] == "update"
    assert (await sdk.threads.get(key))["status"] == "interrupted"
    done = await sdk.runs.wait(key, "steps", input=None)
    assert done["path"] == ["first", "second", "third", "by hand", "second", "third"]
    with pytest.raises(BadRequestError, match="no-such-node"):
        await sdk.threads.update_state(key, {"path": []}, as_node="no-such-node")
    with pytest.raises(BadRequestError, match="no graph yet"):
        await sdk.threads.update_state((await sdk.threads.create())["thread_id"], {"path": []})


@requirement("state.update.fork")
async def test_an_update_at_an_old_checkpoint_makes_a_fork(sdk: Sdk) -> None:
    key = await ran(sdk)
    old = next(state for state in await sdk.threads.get_history(key) if state["next"] == ["second"])
    forked = await sdk.threads.update_state(key, {"note": "forked"}, checkpoint=old["checkpoint"], as_node="first")
    state = await sdk.threads.get_state(key)
    assert state["checkpoint"]["checkpoint_id"] == forked["checkpoint"]["checkpoint_id"]
    assert state["parent_checkpoint"] == old["checkpoint"]
    done = await sdk.runs.wait(key, "steps", input=None, checkpoint_id=forked["checkpoint"]["checkpoint_id"])
    assert done == {"path": ["first", "second", "third"], "note": "forked"}
    with pytest.raises(NotFoundError):
        await sdk.threads.update_state(key, {"note": "y"}, checkpoint_id=str(uuid4()))


@requirement("state.update.copy")
async def test_studios_rerun_from_here_copies_a_checkpoint(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await ran(sdk)
    old = next(state for state in await sdk.threads.get_history(key) if state["next"] == ["second"])
    body = {"values": None, "as_node": "__copy__", "checkpoint_id": old["checkpoint"]["checkpoint_id"]}
    answer = (await raw.post(f"/threads/{key}/state", json=body)).json()
    assert answer["checkpoint"] == answer["configurable"]
    assert answer["checkpoint_id"] == answer["checkpoint"]["checkpoint_id"]
    state = await sdk.threads.get_state(key)
    assert (state["next"], state["values"]["path"]) == (["second"], ["first"])
    assert state["metadata"]["source"] == "fork"
    done = await sdk.runs.wait(key, "steps", input=None, checkpoint_id=answer["checkpoint_id"])
    assert done["path"] == ["first", "second", "third"]


@requirement("state.update.busy")
async def test_a_busy_threads_state_cannot_be_changed_and_nothing_leaks(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = (await sdk.threads.create())["thread_id"]
    run = await sdk.runs.create(key, "slow", input={"steps": 1000, "seconds": 0.05})
    await until(lambda: sdk.threads.get(key), lambda thread: thread["status"] == "busy")
    with pytest.raises(ConflictError, match="busy"):
        await sdk.threads.update_state(key, {"steps": 1})
    refused = await raw.post(f"/threads/{key}/state", json={"values": {"steps": 1}})
    assert "journal" not in refused.text
    assert "configurable" not in refused.text
    await sdk.runs.cancel(key, run["run_id"], wait=True)


@requirement("state.update.race")
async def test_changes_by_hand_at_the_same_moment_all_stay(sdk: Sdk) -> None:
    thread_id = (await sdk.threads.create(metadata={"graph_id": "echo"}))["thread_id"]
    texts = {str(number) for number in range(10)}
    await asyncio.gather(
        *(
            sdk.threads.update_state(thread_id, {"messages": [{"role": "user", "content": text}]}, as_node="__start__")
            for text in texts
        )
    )
    values = (await sdk.threads.get_state(thread_id))["values"]
    assert {message["content"] for message in values["messages"]} == texts


@requirement("history.filters")
async def test_history_is_newest_first_with_every_filter(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await ran(sdk)
    history = await sdk.threads.get_history(key, limit=100)
    assert [state["next"] for state in history] == [[], ["third"], ["second"], ["first"], ["__start__"]]
    ids = [state["checkpoint"]["checkpoint_id"] for state in history]
    assert ids == sorted(ids, reverse=True)
    assert len(await sdk.threads.get_history(key, limit=2)) == 2
    checkpoint = history[1]["checkpoint"]
    older = [ids[2], ids[3], ids[4]]
    befores = (ids[1], checkpoint, {"configurable": checkpoint}, {"checkpoint_id": ids[1]})
    for before in befores:
        found = await sdk.threads.get_history(key, before=before)
        assert [state["checkpoint"]["checkpoint_id"] for state in found] == older
    by_step = await sdk.threads.get_history(key, metadata={"step": 1})
    assert [state["next"] for state in by_step] == [["second"]]
    at = await sdk.threads.get_history(key, checkpoint={"thread_id": key, "checkpoint_ns": ""})
    assert [state["checkpoint"]["checkpoint_id"] for state in at] == ids
    posted = await raw.post(f"/threads/{key}/history", json={"limit": 2, "select": ["values"]})
    assert [set(state) for state in posted.json()] == [{"values"}, {"values"}]
    got = await raw.get(f"/threads/{key}/history", params={"limit": 1, "before": ids[0]})
    assert [state["checkpoint_id"] for state in got.json()] == [ids[1]]
    wrong = await raw.post(f"/threads/{key}/history", json={"before": {"nothing": 1}})
    assert wrong.status_code == 422


@requirement("history.filters")
async def test_a_long_history_is_sent_while_it_is_read_and_is_whole(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = str((await sdk.threads.create())["thread_id"])
    for number in range(6):
        await sdk.runs.wait(key, "echo", input={"messages": [{"role": "user", "content": f"{number} " * 15_000}]})
    sent = await raw.get(f"/threads/{key}/history", params={"limit": 100})
    assert "content-length" not in sent.headers
    history = sent.json()
    assert [len(state["values"].get("messages", [])) for state in history] == [
        *(12, 11, 10, 10, 9, 8, 8, 7, 6, 6, 5, 4, 4, 3, 2, 2, 1, 0),
    ]
    for state in history:
        there = await sdk.threads.get_state(key, checkpoint_id=state["checkpoint"]["checkpoint_id"])
        assert (there["values"], there["next"], there["tasks"]) == (state["values"], state["next"], state["tasks"])
    ids = [state["checkpoint_id"] for state in history]
    for limit, chosen in ((17, ids[:17]), (16, ids[:16]), (8, ids[:8])):
        some = await raw.post(f"/threads/{key}/history", json={"limit": limit, "select": ["checkpoint_id"]})
        assert some.json() == [{"checkpoint_id": one} for one in chosen]
        assert int(some.headers["content-length"]) == len(some.content)
    steps = await sdk.threads.get_history(key, limit=100, metadata={"source": "loop"})
    assert [state["checkpoint_id"] for state in steps] == [
        one for one in ids if history[ids.index(one)]["next"] != ["__start__"]
    ]


@requirement("state.types")
async def test_classes_of_a_graph_come_back_as_they_are_and_nothing_is_said_against_them(
    sdk: Sdk, trial: ServerProcess
) -> None:
    key = (await sdk.threads.create())["thread_id"]
    run = await sdk.runs.create(key, "planning", input={})
    await sdk.runs.join(key, run["run_id"])
    asking = await sdk.threads.get_state(key)
    forked = {"checkpoint_id": asking["checkpoint_id"]}
    for command in ({"resume": 1}, {"goto": "ask"}):
        values = await sdk.runs.wait(key, "planning", command=command, checkpoint=forked)
    assert [item["value"] for item in values["__interrupt__"]] == ["like this?"]
    values = await sdk.runs.wait(key, "planning", command={"resume": 1})
    assert values["kinds"] == ["Plan", "Place", "Pace"]
    assert (await sdk.runs.join(key, run["run_id"]))["__interrupt__"][0]["value"] == "like this?"
    assert "trial_graphs.planning" not in trial.log
