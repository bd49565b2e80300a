"""Messages as content blocks, judged by langchain's own reader of them."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models.chat_model_stream import ChatModelStream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from threadkeep import json
from threadkeep.streams.message_blocks import MessageBlocks


def told(*messages: BaseMessage) -> list[dict[str, Any]]:
    blocks = MessageBlocks()
    return [data for message in messages for data in blocks.of(json.to_jsonable(message), "fallback")]


def read(events: list[dict[str, Any]]) -> AIMessage:
    """What a client makes of the events."""
    stream = ChatModelStream(namespace=[], node=None, message_id=None)
    for event in events:
        stream.dispatch(event)
    assert stream.output_message is not None
    return stream.output_message


def chunk(text: str = "", *calls: tuple[int, str | None, str | None, str], last: bool = False) -> AIMessageChunk:
    pieces = [{"index": index, "id": call_id, "name": name, "args": args} for index, call_id, name, args in calls]
    usage = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7} if last else None
    return AIMessageChunk(
        content=text,
        id="m",
        tool_call_chunks=pieces,
        usage_metadata=usage,
        chunk_position="last" if last else None,
        response_metadata={"model_name": "small"} if last else {},
    )


def test_chunks_become_one_block_with_deltas_and_a_finish() -> None:
    events = told(chunk("Hel"), chunk("lo"), chunk(last=True))
    assert [event["event"] for event in events] == [
        "message-start",
        "content-block-start",
        "content-block-delta",
        "content-block-delta",
        "content-block-finish",
        "message-finish",
    ]
    assert {event["id"] for event in events} == {"m"}
    assert events[-2]["content"] == {"type": "text", "text": "Hello"}
    message = read(events)
    assert (message.text, message.usage_metadata["total_tokens"]) == ("Hello", 7)  # type: ignore[index]
    assert message.response_metadata["model_name"] == "small"


def test_calls_that_grow_at_the_same_time_are_kept_apart_and_parsed() -> None:
    events = told(
        chunk("I will", (0, "a", "add", '{"x"')),
        chunk("", (1, "b", "sub", "")),
        chunk("", (0, None, None, ": 1}"), (1, None, None, '{"y": 2}')),
        chunk(last=True),
    )
    message = read(events)
    assert [(call["name"], call["args"], call["id"]) for call in message.tool_calls] == [
        ("add", {"x": 1}, "a"),
        ("sub", {"y": 2}, "b"),
    ]
    assert message.text == "I will"


def test_arguments_that_are_no_object_make_an_invalid_call() -> None:
    for args in ('{"x', "[1]"):
        events = told(chunk("", (0, "a", "add", args)), chunk(last=True))
        (finished,) = [event["content"] for event in events if event["event"] == "content-block-finish"]
        assert (finished["type"], finished["args"], finished["name"]) == ("invalid_tool_call", args, "add")
        assert finished["error"]


def test_a_thought_comes_before_the_answer() -> None:
    thinking = [{"type": "reasoning", "reasoning": "Well", "index": 0}]
    answering = [{"type": "text", "text": "Yes", "index": 1}]
    events = told(
        AIMessageChunk(content=thinking, id="m"),
        AIMessageChunk(content=answering, id="m", chunk_position="last"),
    )
    deltas = [event["delta"] for event in events if event["event"] == "content-block-delta"]
    assert deltas == [{"type": "reasoning-delta", "reasoning": "Well"}, {"type": "text-delta", "text": "Yes"}]


def test_a_whole_message_is_told_like_one_that_grew_and_only_once() -> None:
    call = {"name": "add", "args": {"x": 1}, "id": "a", "type": "tool_call"}
    whole = AIMessage("So", id="w", tool_calls=[call], usage_metadata=chunk(last=True).usage_metadata)
    blocks = MessageBlocks()
    events = list(blocks.of(json.to_jsonable(whole), "fallback"))
    assert (read(events).text, read(events).tool_calls) == ("So", [call])
    assert list(blocks.of(json.to_jsonable(whole), "fallback")) == []
    started = next(event["content"] for event in events if event.get("content", {}).get("type") == "tool_call")
    assert started["args"] == {}


def test_people_and_rules_are_told_and_tools_are_not() -> None:
    events = told(HumanMessage("hi", id="h"), SystemMessage("be brief", id="s"), ToolMessage("42", tool_call_id="a"))
    assert [event["role"] for event in events if event["event"] == "message-start"] == ["human", "system"]
    assert [event["content"]["text"] for event in events if event["event"] == "content-block-finish"] == [
        "hi",
        "be brief",
    ]


def test_two_messages_at_once_and_one_that_never_ends_are_told_apart() -> None:
    blocks = MessageBlocks()
    both = [
        *blocks.of(json.to_jsonable(AIMessageChunk(content="a", id="1")), ""),
        *blocks.of(json.to_jsonable(AIMessageChunk(content="b", id="2")), ""),
        *blocks.of(json.to_jsonable(AIMessageChunk(content="", id="1", chunk_position="last")), ""),
    ]
    assert [event["id"] for event in both if event["event"] == "message-finish"] == ["1"]
    assert list(blocks.fail_all("stopped")) == [{"event": "error", "id": "2", "message": "stopped"}]
    assert list(blocks.fail_all("stopped")) == []
