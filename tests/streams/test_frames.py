"""What runs show is what LangGraph shows of the same graph, whatever is asked for beside it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt

from tests.projects.trial.trial_graphs.talkative import Repeating
from tests.runs.engines import serving
from threadkeep import json
from threadkeep.callers import EVERYONE
from threadkeep.clock import SystemClock
from threadkeep.engine import Engine
from threadkeep.runs.accept import RunRequest
from threadkeep.streams.frames import CHECKPOINT_IDS, STREAM_MODES, langgraph_modes
from threadkeep.streams.live import END

GIVEN: Mapping[str, Any] = {"messages": [{"role": "user", "content": "one two", "id": "asked"}]}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+\+00:00")
OF_THE_RUN = frozenset(
    {
        "thread_id",
        "run_id",
        "graph_id",
        "assistant_id",
        "config",
        "parent_config",
        "metadata",
        "created_by",
        "response_schema",
    }
)

Shown = dict[str, list[Any]]


def chain(*nodes: tuple[str, Any], schema: Any = MessagesState) -> Any:
    builder = StateGraph(schema)
    for (name, node), before in zip(nodes, [START, *(name for name, _ in nodes)], strict=False):
        builder.add_node(name, node).add_edge(before, name)
    return builder.compile()


async def talk(state: MessagesState) -> Any:
    get_stream_writer()({"from": "talk"})
    return {"messages": [await Repeating(pause_seconds=0).ainvoke(state["messages"])]}


async def whisper(state: MessagesState) -> Any:
    said = await Repeating(pause_seconds=0, tags=["nostream"]).ainvoke(state["messages"])
    return {"messages": [AIMessage(f"aside: {said.text}")]}


def say(state: MessagesState) -> Any:
    return {"messages": [AIMessage(f"{len(state['messages'])} so far")]}


@tool
def shout(word: str) -> str:
    """The word in capitals."""
    get_stream_writer()({"from": "shout"})
    return word.upper()


@tool
async def ask_agent(word: str) -> str:
    """Has another graph answer."""
    answer = await CHAT.ainvoke({"messages": [("user", word)]})
    return str(answer["messages"][-1].content)


def calls(name: str) -> Any:
    def decide(state: MessagesState) -> Any:
        call = {"name": name, "args": {"word": "three four"}, "id": f"call-{name}", "type": "tool_call"}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    return decide


CHAT = chain(("talk", talk), ("say", say))
TOOLED = chain(("decide", calls("shout")), ("tools", ToolNode([shout])))


async def calls_inside(state: MessagesState) -> Any:
    get_stream_writer()({"from": "before"})
    answer = await CHAT.ainvoke({"messages": state["messages"]})
    return {"messages": answer["messages"][-1:]}


def talk_in_step(state: MessagesState) -> Any:
    get_stream_writer()({"from": "talk"})
    return {"messages": [Repeating(pause_seconds=0).invoke(state["messages"])]}


def calls_inside_in_step(state: MessagesState) -> Any:
    inside = chain(("talk", talk_in_step), ("say", say))
    return {"messages": inside.invoke({"messages": state["messages"]})["messages"][-1:]}


async def calls_elsewhere(state: MessagesState) -> Any:
    """The other graph has a thread of its own, and so stands at the root of its own namespace."""
    elsewhere = CHAT.copy({"checkpointer": InMemorySaver()})
    answer = await elsewhere.ainvoke({"messages": state["messages"]}, {"configurable": {"thread_id": str(uuid4())}})
    return {"messages": answer["messages"][-1:]}


async def listens_inside(state: MessagesState) -> Any:
    seen = [one async for one, _ in CHAT.astream({"messages": state["messages"]}, stream_mode="messages")]
    return {"messages": [AIMessage(f"heard {len(seen)} pieces")]}


async def asks(state: MessagesState) -> Any:
    return {"messages": [AIMessage(f"answered {interrupt('really?')}")]}


@task
async def talking_task(messages: list[Any]) -> BaseMessage:
    get_stream_writer()({"from": "task"})
    return await Repeating(pause_seconds=0).ainvoke(messages)


@entrypoint()
async def functional(given: dict[str, Any]) -> Any:
    get_stream_writer()({"from": "entrypoint"})
    said = await talking_task([("user", "five six")])
    inside = await CHAT.ainvoke({"messages": [("user", said.content)]})
    return {"messages": [said, inside["messages"][-1]]}


async def calls_a_task(state: MessagesState) -> Any:
    return {"messages": [await talking_task(state["messages"])]}


def parallel() -> Any:
    graph = StateGraph(MessagesState)
    for word in ("left", "right"):
        graph.add_node(word, lambda state, word=word: {"messages": [AIMessage(word)]}).add_edge(START, word)
    return graph.compile()


GRAPHS: dict[str, Any] = {
    "no subgraph": CHAT,
    "two at a time": parallel(),
    "a subgraph as a node": chain(("inner", CHAT), ("last", say)),
    "a subgraph in a subgraph": chain(("outer", chain(("inner", CHAT), ("middle", say))), ("last", say)),
    "a subgraph that a node calls": chain(("calls", calls_inside), ("last", talk)),
    "a subgraph that a node calls in step": chain(("calls", calls_inside_in_step)),
    "a subgraph that a tool calls": chain(("decide", calls("ask_agent")), ("tools", ToolNode([ask_agent]))),
    "tools inside and outside": chain(("inner", TOOLED), ("decide", calls("shout")), ("tools", ToolNode([shout]))),
    "a graph on its own thread": chain(("calls", calls_elsewhere)),
    "a stream that a node reads": chain(("reads", listens_inside)),
    "a model not to be streamed": chain(("inner", chain(("whisper", whisper))), ("whisper", whisper)),
    "a question in a subgraph": chain(("inner", chain(("talk", talk), ("asks", asks)))),
    "a task that a node calls": chain(("calls", calls_a_task), ("inner", chain(("calls", calls_a_task)))),
    "tasks and a subgraph": functional,
}

PLAIN = ["values", "updates", "messages", "custom", "tasks", "checkpoints", "debug", "tools"]
"""Modes of the API that are LangGraph's too, and show the same, once `messages-tuple` stands for its `messages`."""

REQUESTS = [
    *([mode] for mode in ("messages", "messages-tuple", "custom", "tasks", "tools", "events")),
    ["values", "updates", "checkpoints", "debug"],
    ["messages", "messages-tuple"],
    ["messages-tuple", "updates", "tools"],
    ["messages-tuple", "lifecycle"],
    ["messages", "events"],
    ["messages-tuple", "custom", "lifecycle", "tools"],
    ["values", "messages-tuple", "tasks", "custom"],
    # All, but `custom` beside both of the others: what is traced does not tell what a subgraph wrote from the rest.
    [mode for mode in STREAM_MODES if mode != "events"],
    [mode for mode in STREAM_MODES if mode != "lifecycle"],
    [mode for mode in STREAM_MODES if mode != "custom"],
]


TOOL_EVENTS = {
    "tool-started": "on_tool_start",
    "tool-finished": "on_tool_end",
    "tool-error": "on_tool_error",
    "tool-output-delta": "on_tool_event",
}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    graphs = {name.replace(" ", "_"): graph for name, graph in GRAPHS.items()}
    async with serving(tmp_path, graphs, SystemClock()) as engine:
        yield engine


async def shown(engine: Engine, kind: str, modes: list[str], *, subgraphs: bool = False) -> Shown:
    """What the server shows, by the names of the frames."""
    request = RunRequest(
        kind.replace(" ", "_"), input=GIVEN, stream_mode=modes, stream_subgraphs=subgraphs, if_not_exists="create"
    )
    accepted = await engine.acceptance.accept(request, EVERYONE, thread_id=str(uuid4()), listen=True)
    assert accepted.events is not None
    found: Shown = {}
    async for events in accepted.events:
        for event in events:
            if event.name not in ("metadata", END):
                found.setdefault(UUID.sub("*", event.name), []).append(told(json.loads(event.data)))
        if events[-1].name == END:
            break
    assert "error" not in found, found
    return found


async def plain(kind: str, modes: Iterable[str], *, subgraphs: bool = False) -> Shown:
    """What LangGraph shows of the same graph, by its modes."""
    bound = GRAPHS[kind].copy({"checkpointer": InMemorySaver()})
    config = {"configurable": {"thread_id": str(uuid4())}}
    found: Shown = {}
    parts = bound.astream(GIVEN, config, stream_mode=list(modes), subgraphs=subgraphs, durability="sync")
    async for *namespace, mode, payload in parts:
        steps = namespace[0] if namespace else ()
        name = UUID.sub("*", "".join((mode, *(f"|{step}" for step in steps))))
        found.setdefault(name, []).append(told(json.loads(json.dumps(payload))))
    return found


def told(data: Any) -> Any:
    """Without what differs from run to run, and what only the server can know."""
    match data:
        case dict():
            return {key: told(value) for key, value in data.items() if key not in OF_THE_RUN}
        case list():
            return [told(item) for item in data]
        case str():
            return TIME.sub("*", UUID.sub("*", data))
        case _:
            return data


def whole_messages(frames: Shown) -> list[tuple[str, str]]:
    """Of the mode `messages`, each message as far as it came, in the order in which they began."""
    found: dict[str, tuple[str, str]] = {}
    for name in ("messages/partial", "messages/complete"):
        for (message,) in frames.get(name, []):
            found[message["content"]] = (message["type"], message["content"])
    return sorted(found.values())


def joined(chunks: list[Any]) -> list[tuple[str, str]]:
    """Of LangGraph's mode `messages`, each message as far as it came."""
    found: list[tuple[str, str]] = []
    so_far = ""
    for message, _ in chunks:
        if message["type"] == "AIMessageChunk":
            so_far += message["content"]
            found.append(("ai", so_far))
            so_far = "" if message.get("chunk_position") == "last" else so_far
        else:
            found.append((message["type"], message["content"]))
    return sorted(set(found))


@pytest.mark.parametrize("kind", GRAPHS)
async def test_a_client_that_wants_no_subgraphs_is_shown_what_langgraph_shows_without_them(
    engine: Engine, kind: str
) -> None:
    for modes in REQUESTS:
        frames = await shown(engine, kind, modes)
        theirs = await plain(kind, [mode for mode in langgraph_modes(modes) if mode in PLAIN])
        assert not [name for name in frames if "|" in name and not name.startswith("lifecycle|")], modes
        for mode in set(modes) & {"values", "updates", "custom", "tasks"}:
            assert frames.get(mode, []) == theirs.get(mode, []), (mode, modes)
        for mode in set(modes) & {"checkpoints", "debug"}:
            assert len(frames.get(mode, [])) == len(theirs.get(mode, [])), (mode, modes)
        if "messages-tuple" in modes:
            assert frames.get("messages", []) == theirs.get("messages", []), modes
        if "messages" in modes:
            assert whole_messages(frames) == joined(theirs.get("messages", [])), modes
        if "tools" in modes:
            called = [(one["toolCallId"], one["event"]) for one in frames.get("tools", [])]
            assert called == [(one["tool_call_id"], TOOL_EVENTS[one["event"]]) for one in theirs.get("tools", [])]


@pytest.mark.parametrize("kind", GRAPHS)
async def test_a_client_that_wants_subgraphs_is_shown_what_langgraph_shows_of_them(engine: Engine, kind: str) -> None:
    for modes in (["messages-tuple"], ["messages-tuple", "updates", "values", "lifecycle"]):
        frames = await shown(engine, kind, modes, subgraphs=True)
        asked = {"values", *("messages" if mode == "messages-tuple" else mode for mode in modes)} - {"lifecycle"}
        theirs = await plain(kind, sorted(asked), subgraphs=True)
        wanted = {name: data for name, data in theirs.items() if "values" in modes or not name.startswith("values")}
        assert {name: data for name, data in frames.items() if not name.startswith("lifecycle")} == wanted, modes


@pytest.mark.parametrize("kind", GRAPHS)
async def test_lifecycle_tells_of_the_same_subgraphs_whether_or_not_they_are_shown(engine: Engine, kind: str) -> None:
    async def told_of(modes: list[str], *, subgraphs: bool) -> Shown:
        frames = await shown(engine, kind, modes, subgraphs=subgraphs)
        return {name: data for name, data in frames.items() if name.startswith("lifecycle")}

    beside = await told_of(["lifecycle"], subgraphs=True)
    for more in ([], ["messages-tuple", "custom", "tools"], ["events"]):
        assert await told_of(["lifecycle", *more], subgraphs=False) == beside, more
    assert bool(beside) == (kind not in ("no subgraph", "two at a time", "a graph on its own thread"))


def test_where_nobody_looks_inside_tasks_langgraph_looks_for_parts_between_them_only() -> None:
    outside = ["values", "updates", "tasks", "checkpoints", "debug"]
    assert langgraph_modes([*outside, CHECKPOINT_IDS, "events"]) == sorted(outside)
    assert langgraph_modes(["tools"]) == ["custom", "tools", "values"]
    assert langgraph_modes(["lifecycle"]) == ["custom", "tasks", "values"]
