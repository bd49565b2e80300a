"""The thread protocol through the Python SDK's own thread streams: async and sync, by SSE and by WebSocket."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from langgraph_sdk import get_sync_client

from tests.api.sdk import Sdk
from tests.api.waiting import SECONDS, until_true
from tests.api_requirements import requirement
from tests.processes import ServerProcess

Transport = Literal["sse", "websocket"]
TRANSPORTS = pytest.mark.parametrize("transport", ["sse", "websocket"])
SUM = {"messages": [{"role": "user", "content": "what is 2*21?"}]}
CHANNELS = ["values", "updates", "messages", "tools", "lifecycle", "input", "checkpoints", "tasks", "custom"]


async def events_of(stream: Sdk, channels: list[str], **narrowed: Any) -> list[Any]:
    """The events of one run, to its end or to its question."""
    async with asyncio.timeout(SECONDS):
        return [event async for event in stream.subscribe(channels, **narrowed)]


def data_of(events: list[Any], method: str) -> list[Any]:
    return [event["params"]["data"] for event in events if event["method"] == method]


@TRANSPORTS
@requirement("protocol.start", "protocol.messages")
async def test_a_thread_stream_shows_messages_block_by_block_and_the_final_state(
    shipped_sdk: Sdk, transport: Transport
) -> None:
    async with shipped_sdk.threads.stream(assistant_id="react", transport=transport) as stream:
        started = await stream.run.start(input=SUM)
        calling, telling = [message async for message in stream.messages]
        assert await telling.text == "2*21 = 42"
        (call,) = (await calling.output).tool_calls
        assert (call["name"], call["args"]) == ("calculator", {"expression": "2*21"})
        assert (await telling.output).usage_metadata["total_tokens"] > 0
        state = await stream.output
        assert [message["content"] for message in state["messages"]] == ["what is 2*21?", "", "42", "2*21 = 42"]
        assert [message["id"] for message in state["messages"][1::2]] == [calling.message_id, telling.message_id]
    runs = await shipped_sdk.runs.list(stream.thread_id)
    assert [run["run_id"] for run in runs] == [started["run_id"]]


@requirement("protocol.sync")
@TRANSPORTS
def test_the_sync_client_follows_a_thread(shipped: ServerProcess, transport: Transport) -> None:
    with (
        get_sync_client(url=shipped.url, api_key=None) as client,
        client.threads.stream(assistant_id="react", transport=transport) as stream,
    ):
        stream.run.start(input=SUM)
        assert [str(message.text) for message in stream.messages] == ["", "2*21 = 42"]
        assert stream.output["messages"][-1]["content"] == "2*21 = 42"


@requirement("protocol.channels")
async def test_every_channel_has_something_to_show(shipped_sdk: Sdk) -> None:
    async with shipped_sdk.threads.stream(assistant_id="react") as stream:
        await stream.run.start(input=SUM)
        events = await events_of(stream, CHANNELS)
    assert {event["method"] for event in events} == set(CHANNELS) - {"input", "custom"}
    numbers = [event["seq"] for event in events]
    assert numbers == sorted(set(numbers))
    assert len({event["event_id"] for event in events}) == len(events)
    lifecycle = data_of(events, "lifecycle")
    assert lifecycle == [{"event": name, "graph_name": "react"} for name in ("running", "completed")]
    assert {"run_tool", "call_model"} < {update["node"] for update in data_of(events, "updates")}
    assert [tool["event"] for tool in data_of(events, "tools")] == ["tool-started", "tool-finished"]
    assert [task["name"] for task in data_of(events, "tasks") if "result" in task][-1] == "call_model"
    # Each checkpoint stands right before the values it holds, and names the one before it.
    at = [place for place, event in enumerate(events) if event["method"] == "values"]
    assert [events[place - 1]["method"] for place in at] == ["checkpoints"] * len(at)
    history = [item["id"] for item in data_of(events, "checkpoints")]
    assert [item.get("parent_id") for item in data_of(events, "checkpoints")] == [None, *history[:-1]]
    assert "__interrupt__" not in data_of(events, "values")[-1]


@requirement("protocol.custom", "protocol.tools")
async def test_what_a_graph_and_its_tools_write_is_shown_by_name_and_while_it_happens(sdk: Sdk) -> None:
    async with sdk.threads.stream(assistant_id="announcing") as stream:
        await stream.run.start(input={"messages": "go"})
        events, progress = await asyncio.gather(events_of(stream, CHANNELS), events_of(stream, ["custom:progress"]))
    named = {"name": "progress", "payload": {"share": 0.5}}
    assert data_of(events, "custom") == [named, {"payload": "half of it"}]
    assert data_of(progress, "custom") == [named]
    tools = data_of(events, "tools")
    assert [tool["event"] for tool in tools] == [
        "tool-started",
        "tool-output-delta",
        "tool-output-delta",
        "tool-finished",
    ]
    assert [tool["delta"] for tool in tools[1:3]] == ["1", "2"]
    async with sdk.threads.stream(assistant_id="announcing") as stream:
        await stream.run.start(input={"messages": "go"})
        (call,) = [call async for call in stream.tool_calls]
        assert (call.name, call.input, (await call.output)["content"]) == ("count", {"upto": 2}, "counted to 2")


@TRANSPORTS
@requirement("protocol.interrupts")
async def test_questions_are_asked_and_answered_in_one_stream(sdk: Sdk, transport: Transport) -> None:
    async with sdk.threads.stream(assistant_id="asking", transport=transport) as stream:
        await stream.run.start(input={"topic": "tea"})
        for asked_before, (question, answer) in enumerate((("first about tea?", "green"), ("second?", "yes"))):
            await until_true(lambda: len(stream.interrupts) > asked_before)  # noqa: B023 - awaited at once
            asked = stream.interrupts[-1]
            assert (asked["value"], asked["namespace"]) == ({"question": question}, [])
            await stream.run.respond(answer, interrupt_id=asked["interrupt_id"])
        assert (await stream.output)["second"] == "yes"
    state = await sdk.threads.get_state(stream.thread_id)
    assert (state["values"]["first"], state["next"]) == ("green", [])


@requirement("protocol.subgraphs")
async def test_a_subgraph_is_followed_and_asks_from_where_it_is(sdk: Sdk) -> None:
    async with sdk.threads.stream(assistant_id="nested") as stream:
        await stream.run.start(input={"text": "plain"})
        events = await events_of(stream, CHANNELS)
    inner = {tuple(event["params"]["namespace"]) for event in events} - {()}
    ((step,),) = inner
    assert step.startswith("sub:")
    below = [event for event in events if event["params"]["namespace"]]
    assert [data["event"] for data in data_of(below, "lifecycle")] == ["started", "completed"]
    assert data_of(below, "lifecycle")[0] == {"event": "started", "graph_name": "sub"}
    assert [data["node"] for data in data_of(below, "updates")] == ["inner_a", "inner_b"]

    async with sdk.threads.stream(assistant_id="nested") as stream:
        await stream.run.start(input={"text": "sure?"})
        found = [handle async for handle in stream.subgraphs]
        assert [handle.graph_name for handle in found] == ["sub"]
        await until_true(lambda: bool(stream.interrupts))
        (asked,) = stream.interrupts
        assert (asked["value"], asked["namespace"]) == ("really?", list(found[0].path))
        await stream.run.respond("no")
        assert (await stream.output)["text"] == "inner sure? no"


@requirement("protocol.failed")
async def test_a_failed_or_cancelled_run_fails_in_the_stream_with_its_reason(sdk: Sdk) -> None:
    async with sdk.threads.stream(assistant_id="failing") as stream:
        await stream.run.start(input={"how": "raise"})
        with pytest.raises(RuntimeError, match="Run errored: OnPurposeError: boom on purpose"):
            await stream.output
    async with sdk.threads.stream(assistant_id="slow") as stream:
        run = await stream.run.start(input={"steps": 1000})
        await sdk.runs.cancel(stream.thread_id, run["run_id"])
        with pytest.raises(RuntimeError, match="cancelled"):
            await stream.output
