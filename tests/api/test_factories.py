"""Graphs that a factory makes for each use: what it is told, and what its failing costs."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.sdk import Sdk
from tests.api.test_streams import Following
from tests.api.waiting import SECONDS, until_true
from tests.api_requirements import requirement

UP, DOWN = ({"configurable": {"mcp": mcp}} for mcp in ("up", "down"))
WORDS = "'unsteady' cannot be made at the moment; its factory failed: ConnectionError: nobody answers"


async def new_thread(sdk: Sdk, **given: Any) -> str:
    return str((await sdk.threads.create(**given))["thread_id"])


async def cut_off(sdk: Sdk, graph: str = "unsteady") -> str:
    """A thread with a state, whose graph cannot be made any more."""
    key = await new_thread(sdk)
    await sdk.runs.wait(key, graph, input={}, config=UP)
    ended = await sdk.runs.wait(key, graph, input={}, config=DOWN, raise_error=False)
    assert ended["__error__"]["error"] == "GraphFactoryError"
    assert "ConnectionError: nobody answers" in ended["__error__"]["message"]
    return key


@requirement("runs.factory.thread")
async def test_a_factory_is_told_its_thread_whoever_makes_the_graph(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    run = await sdk.runs.create(key, "by_thread", input={})
    asked = (await sdk.runs.join(key, run["run_id"]))["__interrupt__"]
    name = f"by_thread of {key}"
    assert [item["value"] for item in asked] == [f"in which tone, {name}?"]
    thread = await sdk.threads.get(key)
    assert (thread["status"], thread["error"]) == ("interrupted", None)
    assert [item["id"] for items in thread["interrupts"].values() for item in items] == [asked[0]["id"]]
    assert (await sdk.threads.get_state(key))["next"] == ["ask"]
    assert len(await sdk.threads.get_history(key)) == 2
    assert (await sdk.threads.copy(key))["status"] == "interrupted"
    values = await sdk.runs.wait(key, "by_thread", command={"resume": "warm"})
    assert values == {"made_by": name, "tone": "warm"}
    await sdk.threads.update_state(key, {"tone": "cold"}, as_node="ask")
    assert (await sdk.threads.get(key))["values"]["tone"] == "cold"


@requirement("runs.factory.thread")
async def test_a_thread_born_with_state_is_told_to_its_factory_too(sdk: Sdk) -> None:
    steps = [{"updates": [{"values": {"tone": "warm"}, "as_node": "ask"}]}]
    made = await sdk.threads.create(graph_id="by_thread", supersteps=steps)
    assert (await sdk.threads.get_state(made["thread_id"]))["values"] == {"tone": "warm"}


@requirement("runs.factory.thread")
async def test_an_ended_resumable_run_is_replayed_with_what_its_factory_was_told(
    sdk: Sdk, raw: httpx.AsyncClient
) -> None:
    key = await new_thread(sdk)
    asked = {"assistant_id": "unsteady", "input": {}, "config": UP, "stream_resumable": True, "stream_mode": "values"}
    first = await raw.post(f"/threads/{key}/runs/stream", json=asked)
    path = first.headers["location"]
    again = await raw.get(path, headers={"last-event-id": "-1"})
    assert (again.status_code, b"unsteady" in again.content) == (200, True)
    assert again.content == first.content


@requirement("runs.factory.fails")
async def test_what_needs_a_graph_that_cannot_be_made_is_503_with_the_factorys_words(
    sdk: Sdk, raw: httpx.AsyncClient
) -> None:
    key = await cut_off(sdk)
    assistant = (await sdk.assistants.create("unsteady", config=DOWN))["assistant_id"]
    on_thread, on_assistant = f"/threads/{key}", f"/assistants/{assistant}"
    asked: list[tuple[str, str, Any]] = [
        ("GET", on_thread, None),
        ("GET", f"{on_thread}/state", None),
        ("GET", f"{on_thread}/history", None),
        ("POST", f"{on_thread}/state", {"values": {"tone": "x"}}),
        ("POST", f"{on_thread}/copy", None),
        ("POST", f"{on_thread}/runs", {"assistant_id": assistant, "command": {"resume": 1}}),
        ("POST", "/threads", {"graph_id": "unsteady", "metadata": {"graph_id": "unsteady"}, "supersteps": [
            {"updates": [{"values": {}, "as_node": "tell"}]}]}),
        ("GET", f"{on_assistant}/graph", None),
        ("GET", f"{on_assistant}/schemas", None),
        ("GET", f"{on_assistant}/subgraphs", None),
    ]  # fmt: skip
    for method, path, body in asked:
        answer = await raw.request(method, path, json=body)
        assert answer.status_code == 503, (path, answer.text)
        assert "'unsteady' cannot be made at the moment; its factory failed" in answer.json()["detail"], path
        assert "hunter22" not in answer.text
    command = {"id": 1, "method": "run.start", "params": {"assistant_id": assistant, "input": None}}
    refused = (await raw.post(f"{on_thread}/commands", json=command)).json()
    assert (refused["type"], WORDS in refused["message"]) == ("error", True)


@requirement("runs.factory.fails")
@pytest.mark.parametrize("graph", ["unsteady", "unclean"])
async def test_a_thread_whose_graph_cannot_be_made_is_listed_as_it_is_stored(sdk: Sdk, graph: str) -> None:
    key = await cut_off(sdk, graph)
    other = await new_thread(sdk)
    await sdk.runs.wait(other, "steps", input={"note": "other"})
    found = {row["thread_id"]: row for row in await sdk.threads.search(ids=[key, other])}
    assert (found[key]["status"], found[key]["values"]) == ("error", {"made_by": graph})
    assert found[other]["values"]["note"] == "other"
    assert await sdk.threads.search(ids=[key, other], values={"note": "other"}) == [found[other]]
    patched = await sdk.threads.update(key, metadata={"seen": "yes"})
    assert (patched["metadata"]["seen"], patched["values"]) == ("yes", {"made_by": graph})
    assert await sdk.threads.count(metadata={"seen": "yes"}, values={"made_by": graph}) == 1
    (run, _) = await sdk.runs.list(key)
    await sdk.runs.delete(key, run["run_id"])
    assert (await sdk.threads.get(key))["status"] == "idle"


@requirement("runs.factory.fails")
async def test_who_follows_a_thread_whose_graph_cannot_be_made_sees_its_run_end(
    sdk: Sdk, raw: httpx.AsyncClient
) -> None:
    key = await cut_off(sdk)
    seen = Following(raw, key, 1)
    following = asyncio.create_task(seen.read({"stream_mode": ["run_modes", "state_update"]}))
    await until_true(lambda: seen.connected)
    await sdk.runs.wait(key, "unsteady", input={}, config=DOWN, raise_error=False)
    await asyncio.wait_for(following, SECONDS)
    (update,) = [frame.data["state"] for frame in seen.frames if frame.event == "state_update"]
    assert update["values"] == {"made_by": "unsteady"}


@requirement("runs.factory.fails")
async def test_a_thread_is_whole_again_when_its_factory_is(sdk: Sdk) -> None:
    key = await cut_off(sdk)
    assert (await sdk.runs.wait(key, "unsteady", input={}, config=UP))["made_by"] == "unsteady"
    assert (await sdk.threads.get(key))["status"] == "idle"
    assert (await sdk.threads.get_state(key))["values"] == {"made_by": "unsteady"}
