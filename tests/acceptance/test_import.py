"""Threads that langgraph-checkpoint-sqlite stored elsewhere are taken over with their whole history."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command

from tests.processes import TRIAL_PROJECT, run_to_end, running_server
from tests.projects.trial.trial_graphs.asking import graph as asking
from tests.projects.trial.trial_graphs.echo import graph as echo
from tests.projects.trial.trial_graphs.nested import graph as nested
from threadkeep.adopting import ids_here

TRIAL: Mapping[str, str] = {"LANGGRAPH_CONFIG": str(TRIAL_PROJECT)}


@pytest.fixture
def stock(tmp_path: Path) -> Path:
    return tmp_path / "else where.sqlite"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def stored(stock: Path, graph: Any, thread_id: str, *inputs: Any, **compiled: Any) -> None:
    """What a plain LangGraph program leaves in a file of its own, one run after the other."""
    async with AsyncSqliteSaver.from_conn_string(str(stock)) as saver:
        bound = graph.copy({"checkpointer": saver, **compiled})
        for given in inputs:
            await bound.ainvoke(given, {"configurable": {"thread_id": thread_id}})


def said(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def importing(stock: Path, data_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_to_end("import", str(stock), "--data", str(data_dir), *words, environment=TRIAL)


def imported(stock: Path, data_dir: Path, *words: str) -> str:
    done = importing(stock, data_dir, *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def serving(data_dir: Path) -> Any:
    return running_server(data_dir, config=TRIAL_PROJECT)


def found(http: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = http.post("/threads/search", json=query).json()
    return answer


async def test_threads_of_the_stock_saver_are_imported_listed_and_gone_on_with(stock: Path, data_dir: Path) -> None:
    thread_id = str(uuid4())
    await stored(stock, echo, thread_id, said("one"), said("two"))
    told = imported(stock, data_dir, "--graph", "echo")
    assert told == "1 thread with 6 checkpoints imported; 0 were there already.\n1 thread newly listed.\n"
    again = imported(stock, data_dir, "--graph", "echo")
    assert again == "0 threads with 0 checkpoints imported; 1 was there already.\n0 threads newly listed.\n"
    with serving(data_dir) as server, server.client() as http:
        [listed] = found(http, metadata={"graph_id": "echo"})
        assert (listed["thread_id"], listed["status"], listed["interrupts"]) == (thread_id, "idle", {})
        assert len(http.get(f"/threads/{thread_id}/history?limit=100").json()) == 6
        given = {"messages": [{"role": "user", "content": "three"}]}
        values = http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": given}).json()
        assert [message["content"] for message in values["messages"]][-2:] == ["three", "echo: three"]
        assert len(values["messages"]) == 6


async def test_a_thread_without_a_graph_is_told_of_with_the_command_that_fills_it_in(
    stock: Path, data_dir: Path, tmp_path: Path
) -> None:
    thread_id = str(uuid4())
    await stored(stock, asking, thread_id, {"topic": "tea"})
    told = imported(stock, data_dir)
    command = f"python server.py import '{stock}' --graph NAME --data {data_dir}"
    assert "1 thread without a graph: nothing of the state can be shown." in told
    assert f"Fill it in with: {command} (NAME: echo, announcing, asking, " in told
    only = tmp_path / "langgraph.json"
    only.write_text(json.dumps({"graphs": {"asking": f"{TRIAL_PROJECT.parent}/trial_graphs/asking.py:graph"}}))
    narrowed = imported(stock, data_dir, "--config", str(only))
    assert narrowed.endswith(f" --graph asking --data {data_dir} --config {only}\n")

    filled = imported(stock, data_dir, "--graph", "asking")
    assert "The graph was filled in for 1 thread listed before." in filled
    assert "without a graph" not in filled
    with serving(data_dir) as server, server.client() as http:
        [listed] = found(http, status="interrupted")
        assert listed["values"] == {"topic": "tea"}
        assert listed["metadata"] == {"graph_id": "asking"}
        assert http.get(f"/threads/{thread_id}/state").json()["next"] == ["ask"]


async def test_a_thread_that_has_a_graph_keeps_it(stock: Path, data_dir: Path) -> None:
    await stored(stock, echo, str(uuid4()), said("one"))
    imported(stock, data_dir, "--graph", "echo")
    assert "filled in" not in imported(stock, data_dir, "--graph", "asking")
    with serving(data_dir) as server, server.client() as http:
        assert [one["metadata"]["graph_id"] for one in found(http)] == ["echo"]


async def test_a_graph_that_is_not_served_is_refused_with_the_names_there_are(stock: Path, data_dir: Path) -> None:
    await stored(stock, echo, str(uuid4()), said("one"))
    refused = importing(stock, data_dir, "--graph", "nope")
    assert refused.returncode == 2
    assert "names no graph 'nope'" in refused.stderr
    assert "echo, announcing, asking" in refused.stderr
    assert not (data_dir / "checkpoints.db").exists()
    nowhere = importing(stock, data_dir, "--graph", "echo", "--config", "/nowhere.json")
    assert (nowhere.returncode, "/nowhere.json" in nowhere.stderr) == (2, True)
    assert imported(stock, data_dir, "--config", "/nowhere.json").endswith(
        "--data " + f"{data_dir} --config /nowhere.json\n"
    )


async def test_a_waiting_thread_looks_as_one_that_this_server_interrupted(stock: Path, data_dir: Path) -> None:
    waiting, in_a_subgraph, finished = str(uuid4()), str(uuid4()), str(uuid4())
    await stored(stock, asking, waiting, {"topic": "tea"}, Command(resume="yes"))
    await stored(stock, asking, finished, {"topic": "tea"}, Command(resume="yes"), Command(resume="no"))
    imported(stock, data_dir, "--graph", "asking")
    with serving(data_dir) as server, server.client() as http:
        [listed] = found(http, status="interrupted")
        own = http.post("/threads", json={}).json()["thread_id"]
        for body in ({"input": {"topic": "tea"}}, {"command": {"resume": "yes"}}):
            http.post(f"/threads/{own}/runs/wait", json={"assistant_id": "asking", **body})
        [asked], [[own_asked]] = (
            listed["interrupts"].values(),
            http.get(f"/threads/{own}").json()["interrupts"].values(),
        )
        assert listed["thread_id"] == waiting
        assert [one.keys() for one in asked] == [own_asked.keys()]
        assert [one["value"] for one in asked] == [own_asked["value"]] == [{"question": "second?"}]
        state = http.get(f"/threads/{waiting}/state").json()
        assert listed["interrupts"] == {task["id"]: task["interrupts"] for task in state["tasks"]}
        answer = {"assistant_id": "asking", "command": {"resume": "no"}}
        assert http.post(f"/threads/{waiting}/runs/wait", json=answer).json()["second"] == "no"
        assert found(http, status="interrupted", ids=[waiting, finished]) == []
    await stored(stock, nested, in_a_subgraph, {"text": "tea?"})
    imported(stock, data_dir, "--graph", "nested")
    with serving(data_dir) as server, server.client() as http:
        [[asked_within]] = http.get(f"/threads/{in_a_subgraph}").json()["interrupts"].values()
        assert asked_within["value"] == "really?"


async def test_a_thread_that_was_stopped_before_a_node_is_interrupted_too(stock: Path, data_dir: Path) -> None:
    stopped = str(uuid4())
    await stored(stock, asking, stopped, {"topic": "tea"}, interrupt_before_nodes=["ask"])
    imported(stock, data_dir, "--graph", "asking")
    with serving(data_dir) as server, server.client() as http:
        [listed] = found(http, status="interrupted")
        assert (listed["thread_id"], listed["interrupts"]) == (stopped, {})


async def test_threads_whose_ids_are_no_uuids_are_found_by_their_old_ids_and_gone_on_with(
    stock: Path, data_dir: Path
) -> None:
    bare = uuid4().hex
    for thread_id in ("chat-1", "chat-2", bare):
        await stored(stock, echo, thread_id, said(f"I am {thread_id}"))
    told = imported(stock, data_dir, "--graph", "echo")
    assert "3 threads newly listed.\n" in told
    assert "3 threads under another id, because the API asks for threads by UUID" in told
    again = imported(stock, data_dir, "--graph", "echo")
    assert "0 threads with 0 checkpoints imported; 3 were there already." in again
    assert "0 threads newly listed." in again
    with serving(data_dir) as server, server.client() as http:
        assert len(found(http)) == 3
        [first] = found(http, metadata={"imported_thread_id": "chat-1"})
        assert first["values"]["messages"][0]["content"] == "I am chat-1"
        assert len(http.get(f"/threads/{first['thread_id']}/history").json()) == 3
        given = {"messages": [{"role": "user", "content": "more"}]}
        run = {"assistant_id": "echo", "input": given}
        values = http.post(f"/threads/{first['thread_id']}/runs/wait", json=run).json()
        assert values["messages"][-1]["content"] == "echo: more"
        assert http.get(f"/threads/{bare}").json()["values"]["messages"][0]["content"] == f"I am {bare}"
    imported(stock, data_dir, "--graph", "echo")
    with serving(data_dir) as server, server.client() as http:
        assert len(http.get(f"/threads/{first['thread_id']}").json()["values"]["messages"]) == 4


def test_no_two_threads_get_one_id_and_each_gets_the_same_every_time() -> None:
    uuid = uuid4()
    spelled = [str(uuid), uuid.hex, str(uuid).upper(), "chat-1", "chat-2", "", "1"]
    ids = ids_here(spelled)
    assert ids == ids_here(spelled[::-1])
    assert len(set(ids.values())) == len(spelled)
    assert all(str(UUID(one)) == one for one in ids.values())
    assert ids[str(uuid)] == str(uuid)
    assert ids_here([uuid.hex]) == {uuid.hex: str(uuid)}
    assert ids_here(["chat-1"]) == {"chat-1": "7bbd5007-417a-5537-a0ac-8eb10c7fb119"}


def test_a_folder_that_a_server_holds_is_refused(tmp_path: Path, stock: Path) -> None:
    stock.touch()
    with serving(tmp_path / "data") as server:
        refused = importing(stock, server.data_dir)
    assert refused.returncode == 2
    assert "Stop it" in refused.stderr


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    refused = run_to_end("import", str(tmp_path / "missing.sqlite"), "--data", str(tmp_path / "data"))
    assert refused.returncode == 2
    assert "missing.sqlite" in refused.stderr
