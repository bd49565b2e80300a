"""Every stream mode: its event names and payloads, alone, together, and from subgraphs."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph_sdk.errors import UnprocessableEntityError

from tests.api.sdk import Sdk
from tests.api_requirements import requirement

SAY: dict[str, Any] = {"messages": [{"role": "user", "content": "one two"}]}


async def streamed(sdk: Sdk, graph: str, given: Any, mode: Any, **more: Any) -> list[tuple[str, Any]]:
    """Everything between the first frame and the last, which are the same in every mode."""
    parts = [
        (part.event, part.data) async for part in sdk.runs.stream(None, graph, input=given, stream_mode=mode, **more)
    ]
    (first, metadata), (last, end) = parts[0], parts[-1]
    assert (first, set(metadata), metadata["attempt"]) == ("metadata", {"run_id", "attempt"}, 1)
    assert (last, end) == ("end", {"run_id": metadata["run_id"], "status": "success"})
    return parts[1:-1]


@requirement("modes.values")
async def test_values_shows_the_whole_state_after_each_step(sdk: Sdk) -> None:
    parts = await streamed(sdk, "steps", {"note": "x"}, "values")
    assert {event for event, _ in parts} == {"values"}
    assert [data["path"] for _, data in parts] == [
        [], ["first"], ["first", "second"], ["first", "second", "third"],
    ]  # fmt: skip
    asked = await streamed(sdk, "asking", {"topic": "x"}, "values")
    (interrupt,) = asked[-1][1]["__interrupt__"]
    assert set(interrupt) == {"id", "value", "response_schema"}
    assert interrupt["value"] == {"question": "first about x?"}


@requirement("modes.updates")
async def test_updates_shows_what_each_node_wrote(sdk: Sdk) -> None:
    parts = await streamed(sdk, "steps", {"note": "x"}, "updates")
    assert parts == [("updates", {name: {"path": [name]}}) for name in ("first", "second", "third")]
    asked = await streamed(sdk, "asking", {"topic": "x"}, "updates")
    assert asked[-1][1]["__interrupt__"][0]["value"] == {"question": "first about x?"}
    stopped = await streamed(sdk, "steps", {}, "updates", interrupt_before=["second"])
    assert stopped == [("updates", {"first": {"path": ["first"]}}), ("updates", {"__interrupt__": []})]


@requirement("modes.messages_tuple")
async def test_messages_tuple_shows_chunks_with_their_metadata_as_messages(sdk: Sdk) -> None:
    parts = await streamed(sdk, "talkative", SAY, "messages-tuple")
    assert {event for event, _ in parts} == {"messages"}
    chunks = [message for _, (message, _) in parts]
    assert [chunk["content"] for chunk in chunks] == ["one ", "two"]
    assert {chunk["type"] for chunk in chunks} == {"AIMessageChunk"}
    assert chunks[-1]["chunk_position"] == "last"
    metadata = parts[0][1][1]
    assert (metadata["langgraph_node"], metadata["graph_id"]) == ("talk", "talkative")
    assert {"thread_id", "run_id", "langgraph_step", "langgraph_checkpoint_ns"} <= set(metadata)


@requirement("modes.messages_tuple", "modes.messages")
async def test_without_subgraphs_their_messages_are_shown_once_by_the_node_that_has_them(sdk: Sdk) -> None:
    ((event, (message, metadata)),) = await streamed(sdk, "teamed", SAY, "messages-tuple")
    assert (event, message["type"], message["content"]) == ("messages", "ai", "one two")
    assert metadata["langgraph_node"] == "speaker"
    parts = await streamed(sdk, "teamed", SAY, ["messages", "tools", "lifecycle"])
    shown = [(event, data) for event, data in parts if event.startswith("messages")]
    assert [event for event, _ in shown] == ["messages/metadata", "messages/complete"]
    assert shown[1][1][0]["content"] == "one two"


@requirement("modes.messages")
async def test_messages_accumulates_what_streams_and_completes_what_does_not(sdk: Sdk) -> None:
    parts = await streamed(sdk, "talkative", SAY, "messages")
    assert [event for event, _ in parts] == ["messages/metadata", "messages/partial", "messages/partial"]
    ((message_id, entry),) = parts[0][1].items()
    assert entry["metadata"]["langgraph_node"] == "talk"
    assert [data[0]["content"] for _, data in parts[1:]] == ["one ", "one two"]
    assert {(data[0]["type"], data[0]["id"]) for _, data in parts[1:]} == {("ai", message_id)}
    tooled = await streamed(sdk, "tooled", SAY, "messages")
    whole = [data[0] for event, data in tooled if event == "messages/complete"]
    assert [message["type"] for message in whole] == ["ai", "tool"]
    assert whole[1]["content"] == "ONE TWO"


@requirement("modes.custom")
async def test_custom_shows_what_nodes_write(sdk: Sdk) -> None:
    assert await streamed(sdk, "talkative", SAY, "custom") == [("custom", {"note": "about to talk"})]


@requirement("modes.tasks")
async def test_tasks_shows_starts_and_ends(sdk: Sdk) -> None:
    parts = await streamed(sdk, "asking", {"topic": "x"}, "tasks")
    assert {event for event, _ in parts} == {"tasks"}
    starts = [data for _, data in parts if "input" in data]
    ends = [data for _, data in parts if "result" in data]
    assert [data["name"] for data in starts] == [data["name"] for data in ends] == ["prepare", "ask"]
    assert {"id", "name", "input", "triggers"} <= set(starts[0])
    assert {"id", "name", "error", "result", "interrupts"} == set(ends[0])
    assert [set(interrupt) for interrupt in ends[1]["interrupts"]] == [{"id", "value"}]


@requirement("modes.checkpoints")
async def test_checkpoints_shows_states_without_private_keys(sdk: Sdk) -> None:
    parts = await streamed(sdk, "steps", {"note": "x"}, "checkpoints")
    assert [data["next"] for _, data in parts] == [["__start__"], ["first"], ["second"], ["third"], []]
    last = parts[-1][1]
    assert {"config", "parent_config", "values", "metadata", "next", "tasks"} <= set(last)
    assert last["values"]["path"] == ["first", "second", "third"]
    assert not [key for key in last["config"]["configurable"] if key.startswith("__")]


@requirement("modes.debug")
async def test_debug_wraps_checkpoints_and_tasks(sdk: Sdk) -> None:
    parts = await streamed(sdk, "steps", {"note": "x"}, "debug")
    assert {event for event, _ in parts} == {"debug"}
    assert {data["type"] for _, data in parts} == {"checkpoint", "task", "task_result"}
    assert {"step", "timestamp", "type", "payload"} == set(parts[0][1])


@requirement("modes.tools")
async def test_tools_shows_each_call_from_start_to_end(sdk: Sdk) -> None:
    parts = await streamed(sdk, "tooled", SAY, "tools")
    assert [(event, data["event"], data["toolCallId"], data["name"]) for event, data in parts] == [
        ("tools", "on_tool_start", "call-1", "shout"),
        ("tools", "on_tool_end", "call-1", "shout"),
    ]
    assert parts[0][1]["input"] == {"word": "one two"}
    assert parts[1][1]["output"]["content"] == "ONE TWO"


@requirement("modes.lifecycle")
async def test_lifecycle_shows_subgraphs_start_and_end(sdk: Sdk) -> None:
    parts = await streamed(sdk, "nested", {"text": "x"}, "lifecycle")
    (name, started), (same_name, ended) = parts
    assert name == same_name == f"lifecycle|{started['namespace'][0]}"
    assert (started["event"], ended["event"]) == ("started", "completed")
    asked = await streamed(sdk, "nested", {"text": "x?"}, "lifecycle")
    assert [data["event"] for _, data in asked] == ["started", "interrupted"]


@requirement("modes.events")
async def test_events_are_langchains_beside_any_other_mode(sdk: Sdk) -> None:
    parts = await streamed(sdk, "talkative", SAY, ["events", "values", "custom"])
    events = [data for event, data in parts if event == "events"]
    names = [(data["event"], data["name"]) for data in events]
    assert names[0] == ("on_chain_start", "talkative")
    assert names[-1] == ("on_chain_end", "talkative")
    assert names.count(("on_chat_model_stream", "Repeating")) == 2
    assert all("parent_ids" in data and "run_id" in data for data in events)
    assert [data["messages"][-1]["content"] for event, data in parts if event == "values"] == ["one two"] * 2
    assert ("custom", {"note": "about to talk"}) in parts
    asked = await streamed(sdk, "asking", {"topic": "x"}, ["events", "updates"])
    assert [data for event, data in asked if event == "updates"][-1]["__interrupt__"][0]["value"]


@requirement("modes.subgraphs")
async def test_subgraphs_append_their_namespace_only_when_asked(sdk: Sdk) -> None:
    outer = await streamed(sdk, "nested", {"text": "x"}, ["updates"])
    assert [event for event, _ in outer] == ["updates"]
    parts = await streamed(sdk, "nested", {"text": "x"}, ["updates", "values"], stream_subgraphs=True)
    inner = [(event, data) for event, data in parts if event.startswith("updates|")]
    assert [set(data) for _, data in inner] == [{"inner_a"}, {"inner_b"}]
    assert all(event.split("|")[1].startswith("sub:") for event, _ in inner)
    assert {event.partition("|")[0] for event, _ in parts} == {"updates", "values"}


@requirement("modes.unknown")
async def test_a_mode_that_does_not_exist_is_refused(sdk: Sdk) -> None:
    with pytest.raises(UnprocessableEntityError, match="no-such-mode"):
        await streamed(sdk, "steps", {}, ["values", "no-such-mode"])
