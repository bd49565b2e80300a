"""RemoteGraph, LangGraph's own client: a served graph used as if it were a local one, also inside another graph."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph.types import Command, Interrupt
from langgraph_sdk import get_sync_client
from typing_extensions import TypedDict

from tests.api.sdk import Sdk
from tests.api.waiting import until_true
from tests.api_requirements import requirement
from tests.processes import ServerProcess


def remote(sdk: Sdk, name: str) -> Any:
    return RemoteGraph(name, client=sdk)


async def on_thread(sdk: Sdk) -> RunnableConfig:
    return {"configurable": {"thread_id": (await sdk.threads.create())["thread_id"]}}


@requirement("remote.invoke")
async def test_a_remote_graph_is_invoked_with_and_without_a_thread(sdk: Sdk) -> None:
    graph = remote(sdk, "echo")
    alone = await graph.ainvoke({"messages": [HumanMessage("hi")]})
    assert alone["messages"][-1]["content"] == "echo: hi"
    config = await on_thread(sdk)
    for _ in range(2):
        kept = await graph.ainvoke({"messages": [{"role": "user", "content": "hi"}]}, config)
    assert len(kept["messages"]) == 4


@requirement("remote.config")
async def test_a_remote_graphs_metadata_and_tags_reach_its_nodes(sdk: Sdk) -> None:
    config: RunnableConfig = {"metadata": {"mm": 1}, "tags": ["x"], "max_concurrency": 2}
    values = await remote(sdk, "wide").ainvoke({}, config)
    assert values["told"]["mm"] == 1


@requirement("remote.invoke")
def test_a_remote_graph_is_invoked_by_the_sync_client(trial: ServerProcess) -> None:
    with get_sync_client(url=trial.url, api_key=None) as client:
        graph = RemoteGraph("echo", sync_client=client)
        assert graph.invoke({"messages": "sync"})["messages"][-1]["content"] == "echo: sync"


@requirement("remote.stream")
async def test_a_remote_graph_streams_modes_and_subgraphs(sdk: Sdk) -> None:
    graph = remote(sdk, "nested")
    updates = [part async for part in graph.astream({"text": "x"}, stream_mode="updates")]
    assert updates == [{"sub": {"text": "inner x yes"}}]
    parts = [part async for part in graph.astream({"text": "x"}, stream_mode=["values", "updates"], subgraphs=True)]
    namespaces = {part[0] for part in parts}
    assert () in namespaces
    assert any(namespace and namespace[0].startswith("sub:") for namespace in namespaces)
    talk = remote(sdk, "talkative")
    chunks = [part async for part in talk.astream({"messages": "one two"}, stream_mode="messages")]
    assert [message["content"] for message, _ in chunks] == ["one ", "two"]


@requirement("remote.state")
async def test_a_remote_graphs_state_and_history_can_be_read_and_changed(sdk: Sdk) -> None:
    graph = remote(sdk, "steps")
    config = await on_thread(sdk)
    await graph.ainvoke({"note": "x"}, config)
    state = await graph.aget_state(config)
    assert (state.values["path"], state.next) == (["first", "second", "third"], ())
    assert state.metadata is not None
    assert state.metadata["step"] == 3
    history = [snapshot async for snapshot in graph.aget_state_history(config)]
    assert [snapshot.next for snapshot in history] == [(), ("third",), ("second",), ("first",), ("__start__",)]
    before = [snapshot async for snapshot in graph.aget_state_history(config, before=history[1].config, limit=1)]
    assert before[0].next == ("second",)
    written = await graph.aupdate_state(history[2].config, {"note": "forked"}, as_node="first")
    forked = await graph.aget_state(written)
    assert (forked.values["note"], forked.next) == ("forked", ("second",))
    assert (await graph.ainvoke(None, config))["note"] == "forked"


@requirement("remote.interrupt")
async def test_a_remote_graphs_interrupts_can_be_answered(sdk: Sdk) -> None:
    graph, config = remote(sdk, "asking"), await on_thread(sdk)
    await graph.ainvoke({"topic": "tea"}, config)
    state = await graph.aget_state(config)
    assert state.interrupts[0].value == {"question": "first about tea?"}
    assert isinstance(state.tasks[0].interrupts[0], Interrupt)
    await graph.ainvoke(Command(resume="green"), config)
    done = await graph.ainvoke(Command(resume="black"), config)
    assert (done["first"], done["second"]) == ("green", "black")


@requirement("remote.error")
async def test_a_remote_failure_is_raised_here(sdk: Sdk) -> None:
    with pytest.raises(RemoteException, match="boom on purpose"):
        await remote(sdk, "failing").ainvoke({"how": "raise"})


@requirement("remote.graph")
async def test_a_remote_graph_can_be_drawn(sdk: Sdk) -> None:
    drawn = await remote(sdk, "steps").aget_graph()
    assert {"first", "second", "third", "shout"} <= set(drawn.nodes)


class State(TypedDict, total=False):
    topic: str
    first: str
    second: str


@requirement("remote.nested")
async def test_a_remote_graph_works_as_a_node_of_a_local_one(sdk: Sdk) -> None:
    builder = StateGraph(State).add_node("ask", remote(sdk, "asking")).add_edge(START, "ask")
    parent = builder.compile(checkpointer=InMemorySaver())
    config: RunnableConfig = {"configurable": {"thread_id": "11111111-2222-4333-8444-555555555555"}}
    waiting: Any = await parent.ainvoke({"topic": "tea"}, config)
    assert waiting["__interrupt__"][0].value == {"question": "first about tea?"}


@requirement("remote.v3")
async def test_a_remote_graph_streams_v3_events(sdk: Sdk) -> None:
    graph = remote(sdk, "announcing")
    config = await on_thread(sdk)
    async with await graph.astream_events({"messages": "go"}, config, version="v3") as run:
        updates = [update async for update in run.extensions["updates"]]
        assert [update["node"] for update in updates] == ["announce", "tools"]
        assert (await run.output())["messages"][-1]["content"] == "counted to 2"
    nested = remote(sdk, "nested")
    config = await on_thread(sdk)
    async with await nested.astream_events({"text": "sure?"}, config, version="v3") as run:
        _ = [state async for state in run.values]
        await until_true(lambda: bool(run._sdk.interrupts))
        assert await run.interrupted()
        assert [asked["value"] for asked in await run.interrupts()] == ["really?"]
    async with await nested.astream_events(Command(resume="no"), config, version="v3") as run:
        assert (await run.output())["text"] == "inner sure? no"


@requirement("remote.v3")
def test_a_remote_graph_streams_v3_events_by_the_sync_client(trial: ServerProcess) -> None:
    with get_sync_client(url=trial.url, api_key=None) as client:
        graph: Any = RemoteGraph("talkative", sync_client=client)
        with graph.stream_events({"messages": "one two"}, version="v3") as run:
            assert [str(message.text) for message in run.messages] == ["one two"]
            assert run.output["messages"][-1]["content"] == "one two"
