"""From what LangGraph streams to what the Agent Server API shows: event names and payloads of every stream mode.

LangGraph's `messages` mode serves two modes of the API: `messages-tuple` passes each chunk on with its metadata;
`messages` accumulates the chunks of a message and shows it as far as it has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage, BaseMessageChunk, message_chunk_to_message
from langgraph.types import Interrupt

from threadkeep import json
from threadkeep.streams.lifecycle import Lifecycle

_PRIVATE = ("__pregel", "__threadkeep")

STREAM_MODES = (
    "values",
    "updates",
    "messages",
    "messages-tuple",
    "custom",
    "tasks",
    "checkpoints",
    "debug",
    "tools",
    "lifecycle",
    "events",
)

CHECKPOINT_IDS = "checkpoint_ids"
"""A mode of our own, for runs of the thread protocol: of each checkpoint only where it stands in the history."""

_TASK_INPUT_BYTES = 32_000

Frame = tuple[str, Any]


def langgraph_modes(asked: Iterable[str]) -> list[str]:
    """What to ask LangGraph for: the modes asked, and `values`, which tells the run's result.

    It looks for parts while tasks are at work for the sake of `messages` and `custom` alone, since that costs a task
    and some turns of the loop for each super-step. `tools` and `lifecycle` are to be shown at once too, so they come
    with `custom`.
    """
    asked = set(asked)
    needed = {"messages-tuple": "messages", "lifecycle": "tasks", CHECKPOINT_IDS: "checkpoints"}
    at_once = {"custom"} if asked & {"tools", "lifecycle"} else set()
    return sorted({needed.get(mode, mode) for mode in asked if mode != "events"} | {"values"} | at_once)


class Frames:
    """Turns one run's stream parts into frames; keeps the messages that are still growing.

    Without `subgraphs`, LangGraph itself is not asked for them and decides what the graph shows of them: the messages
    of a node that is a subgraph, say, come when the node ends. Nothing of that is left out, nor told from where it is.
    """

    def __init__(self, asked: Iterable[str], *, subgraphs: bool) -> None:
        self._asked = tuple(asked)
        self._subgraphs = subgraphs
        self._growing: dict[str, BaseMessage] = {}
        self._lifecycle = Lifecycle()
        self._tool_names: dict[str, str] = {}

    def of(self, part: Mapping[str, Any]) -> Iterator[Frame]:
        """The frames for one part of `astream(version="v2")`, in order; none when nobody asked for its mode."""
        mode, namespace, data = part["type"], part["ns"], part["data"]
        if mode == "tasks" and "lifecycle" in self._asked:
            for inner, payload in self._lifecycle.of(namespace, data):
                yield "".join(("lifecycle", *(f"|{step}" for step in inner))), payload
        if not self._subgraphs and self._is_for_lifecycle_alone(mode, namespace):
            return
        suffix = "".join(f"|{step}" for step in namespace) if self._subgraphs else ""
        if mode == "checkpoints" and CHECKPOINT_IDS in self._asked:
            yield CHECKPOINT_IDS + suffix, checkpoint_ids(data)
        if mode == "messages":
            for name, payload in self._message_frames(*data):
                yield name + suffix, payload
        elif mode == "tools" and mode in self._asked:
            yield mode + suffix, self._tool_payload(data)
        elif mode in self._asked:
            yield mode + suffix, self._payload(mode, data, part)

    def _is_for_lifecycle_alone(self, mode: str, namespace: tuple[str, ...]) -> bool:
        """Whether it is shown only because `lifecycle` has the graph tell of its subgraphs' tasks (see `lifecycle.py`).

        What a `@task` writes has a namespace too, the one of the task that called it, and is the graph's own.
        """
        return bool(namespace) and (mode == "tasks" or (mode == "custom" and self._lifecycle.is_inside(namespace)))

    def _tool_payload(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """A tool's event under the names that the SDKs know; LangGraph's own are another protocol's."""
        call_id = data["tool_call_id"]
        name = self._tool_names.setdefault(call_id, data.get("tool_name") or "")
        called = {"toolCallId": call_id, "name": name}
        match data["event"]:
            case "tool-started":
                return {"event": "on_tool_start", **called, "input": data.get("input")}
            case "tool-finished":
                return {"event": "on_tool_end", **called, "output": data.get("output")}
            case "tool-error":
                return {"event": "on_tool_error", **called, "error": data.get("message")}
            case _:
                return {"event": "on_tool_event", **called, "data": data.get("delta")}

    def _payload(self, mode: str, data: Any, part: Mapping[str, Any]) -> Any:
        match mode:
            case "values" if part.get("interrupts"):
                return {**_mapping(data), "__interrupt__": [full_interrupt(item) for item in part["interrupts"]]}
            case "updates" if isinstance(data, Mapping) and "__interrupt__" in data:
                return {**data, "__interrupt__": [full_interrupt(item) for item in data["__interrupt__"]]}
            case "tasks" if "input" in data and CHECKPOINT_IDS in self._asked:
                return _light_task(data)
            case "tasks" if "interrupts" in data:
                return {**data, "interrupts": [interrupt_record(item) for item in data["interrupts"]]}
            case "checkpoints" | "debug":
                return _public(data)
            case _:
                return data

    def _message_frames(self, message: BaseMessage, metadata: dict[str, Any]) -> Iterator[Frame]:
        if "messages-tuple" in self._asked:
            yield "messages", [message, metadata]
        if "messages" not in self._asked:
            return
        key = message.id or ""
        if not isinstance(message, BaseMessageChunk):
            if key not in self._growing:
                yield "messages/metadata", {key: {"metadata": metadata}}
            yield "messages/complete", [message]
            return
        if key in self._growing:
            self._growing[key] = self._growing[key] + message  # type: ignore[assignment]  # chunks add up to a chunk
        else:
            self._growing[key] = message
            yield "messages/metadata", {key: {"metadata": metadata}}
        yield "messages/partial", [message_chunk_to_message(self._growing[key])]
        if isinstance(message, AIMessageChunk) and message.chunk_position == "last":
            # The whole message needs no growing any more; its key stays, so that metadata is not sent twice.
            self._growing[key] = message.model_copy(update={"content": "", "tool_call_chunks": []})


def _light_task(data: Mapping[str, Any]) -> dict[str, Any]:
    """A task that begins. Its input may be the whole state, which would be stored anew with each task of every run."""
    size = len(json.dumps(data["input"]))
    return dict(data) if size <= _TASK_INPUT_BYTES else {**data, "input": None, "input_bytes_left_out": size}


def checkpoint_ids(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint is called, and its place in the history, as the thread protocol shows them."""
    metadata = data.get("metadata") or {}
    parent = _checkpoint_id(data.get("parent_config"))
    shown = {"id": _checkpoint_id(data.get("config")), "step": metadata.get("step"), "source": metadata.get("source")}
    return shown if parent is None else {**shown, "parent_id": parent}


def _checkpoint_id(config: Any) -> str | None:
    return None if not config else config.get("configurable", {}).get("checkpoint_id")


def full_interrupt(item: Interrupt | Mapping[str, Any]) -> dict[str, Any]:
    """An interrupt as streams and `wait` show it."""
    return {**interrupt_record(item), "response_schema": getattr(item, "response_schema", None)}


def interrupt_record(item: Interrupt | Mapping[str, Any]) -> dict[str, Any]:
    """An interrupt as threads and states show it; clients build `Interrupt(**record)`, so nothing else may be in it."""
    if isinstance(item, Mapping):
        return {"id": item["id"], "value": item["value"]}
    return {"id": item.id, "value": item.value}


def _mapping(data: Any) -> dict[str, Any]:
    if isinstance(data, Mapping):
        return dict(data)
    if data is None:
        return {}
    return {"__root__": data} if not hasattr(data, "__dict__") else dict(vars(data))


def _public(data: Any) -> Any:
    """Checkpoint payloads without the private configuration: LangGraph's, which holds live objects, and ours."""
    if isinstance(data, Mapping):
        return {key: _public(item) for key, item in data.items() if not str(key).startswith(_PRIVATE)}
    if isinstance(data, Interrupt):
        return interrupt_record(data)
    if isinstance(data, list | tuple):
        return [_public(item) for item in data]
    return data
