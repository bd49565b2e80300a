"""Messages as the thread protocol shows them: explicit starts, deltas and finishes of content blocks.

The shapes are those of `langchain-protocol`'s `MessagesData`. A model's chunks arrive one by one and may belong to
several messages at once, so every event names its message's `id`, which the protocol asks of the first one alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk

from threadkeep import json

Data = dict[str, Any]

_ROLES = {"ai": "ai", "AIMessageChunk": "ai", "human": "human", "HumanMessageChunk": "human", "system": "system"}
_APPENDED = {"text": "text", "reasoning": "reasoning", "tool_call_chunk": "args", "server_tool_call_chunk": "args"}
_DELTAS = {"text": "text-delta", "reasoning": "reasoning-delta"}
_PARSED = {"tool_call_chunk": "tool_call", "server_tool_call_chunk": "server_tool_call"}
_HEAVY = frozenset({"args", "base64", "data", "output", "value"})


@dataclass(slots=True)
class _Growing:
    """A message under way: its blocks by the place their model gave them, in the order they began."""

    blocks: dict[Any, Data] = field(default_factory=dict)
    usage: Data = field(default_factory=dict)
    metadata: Data = field(default_factory=dict)


class MessageBlocks:
    """One run's messages; keeps those that are still growing, and the ids of the ones that are complete."""

    def __init__(self) -> None:
        self._growing: dict[str, _Growing] = {}
        self._done: set[str] = set()

    def of(self, message: Mapping[str, Any], fallback_id: str) -> Iterator[Data]:
        """The events for one message or chunk in its JSON form, in order. What a tool said is not shown here: the
        protocol has it among the tools and in the state."""
        role = _ROLES.get(str(message.get("type")))
        key = str(message.get("id") or fallback_id)
        if role is None or key in self._done:
            return
        whole = message["type"] in ("ai", "human", "system")
        if whole and key in self._growing:
            return  # its chunks have told it all; the last of them ends it
        for data in self._events(message, role, key, whole=whole):
            yield {**data, "id": key}

    def fail_all(self, reason: str) -> Iterator[Data]:
        """An `error` for every message that will not be finished any more."""
        unfinished, self._growing = list(self._growing), {}
        self._done.update(unfinished)
        for key in unfinished:
            yield {"event": "error", "id": key, "message": reason}

    def _events(self, message: Mapping[str, Any], role: str, key: str, *, whole: bool) -> Iterator[Data]:
        growing = self._growing.get(key)
        if growing is None:
            growing = self._growing[key] = _Growing()
            yield _start(message, role)
        for place, block in _blocks(message, role, whole=whole):
            yield from _grown(growing, place, block)
        growing.metadata.update(message.get("response_metadata") or {})
        _add_usage(growing.usage, message.get("usage_metadata") or {})
        if whole or message.get("chunk_position") == "last":
            yield from _finish(growing)
            del self._growing[key]
            self._done.add(key)


def _start(message: Mapping[str, Any], role: str) -> Data:
    told = message.get("response_metadata") or {}
    about = {"provider": told.get("model_provider"), "model": told.get("model_name")}
    metadata = {name: value for name, value in about.items() if isinstance(value, str)}
    start: Data = {"event": "message-start", "role": role}
    return {**start, "metadata": metadata} if metadata else start


def _blocks(message: Mapping[str, Any], role: str, *, whole: bool) -> Iterator[tuple[Any, Data]]:
    """The message's content blocks, each with what tells it from the others: its index, or else type and position."""
    if role != "ai":
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    else:
        blocks = _said_whole(message) if whole else _said_so_far(message)
    for position, block in enumerate(blocks):
        if isinstance(block, dict):
            index = block.get("index")
            yield (block.get("type"), position) if index is None else index, block


def _said_whole(message: Mapping[str, Any]) -> list[Any]:
    rebuilt = AIMessage(**{name: value for name, value in message.items() if name in AIMessage.model_fields})
    wrong = [{"error": None, **call, "type": "invalid_tool_call"} for call in rebuilt.invalid_tool_calls]
    return [*rebuilt.content_blocks, *wrong]


def _said_so_far(message: Mapping[str, Any]) -> list[Any]:
    fields = AIMessageChunk.model_fields
    rebuilt = AIMessageChunk(**{name: value for name, value in message.items() if name in fields})
    blocks: list[Any] = list(rebuilt.content_blocks)
    if not isinstance(rebuilt.content, str):
        return blocks
    # Beside text, LangChain makes whole calls of what are only pieces of them.
    calls = [{**call, "type": "tool_call_chunk"} for call in rebuilt.tool_call_chunks]
    return [*(block for block in blocks if "tool_call" not in block["type"]), *calls]


def _grown(growing: _Growing, place: Any, block: Data) -> Iterator[Data]:
    kind = str(block.get("type"))
    known = growing.blocks.get(place)
    if known is not None and known.get("type") != kind:
        place, known = (place, kind), growing.blocks.get((place, kind))
    appended = _APPENDED.get(kind)
    added = block.get(appended) if appended else None
    if known is None:
        growing.blocks[place] = {**block, **({appended: added or ""} if appended else {})}
        index = len(growing.blocks) - 1
        yield {"event": "content-block-start", "index": index, "content": _empty(block, kind, appended)}
    else:
        index = list(growing.blocks).index(place)
        known.update({name: value for name, value in block.items() if value is not None and name != appended})
        if appended and added:
            known[appended] += added
    if added:
        assert appended is not None
        delta = {"type": _DELTAS.get(kind, "tool-call-delta"), appended: added}
        yield {"event": "content-block-delta", "index": index, "delta": delta}


def _empty(block: Data, kind: str, appended: str | None) -> Data:
    """A block as it begins: what is appended to is empty, and what may be large comes with its finish."""
    light = {name: value for name, value in block.items() if name not in _HEAVY and value is not None}
    if appended:
        # A tool call's chunk has all its fields from the start: later ones carry its arguments alone.
        named = {"id": block.get("id"), "name": block.get("name")} if kind == "tool_call_chunk" else {}
        return {**light, **named, appended: ""}
    if kind in ("tool_call", "server_tool_call"):
        return {**light, "args": {}}
    return {**light, "value": {}} if kind == "non_standard" else light


def _finish(growing: _Growing) -> Iterator[Data]:
    for index, block in enumerate(growing.blocks.values()):
        yield {"event": "content-block-finish", "index": index, "content": _finished(block)}
    finish: Data = {"event": "message-finish"}
    if growing.usage:
        finish["usage"] = growing.usage
    if growing.metadata:
        finish["metadata"] = growing.metadata
    yield finish


def _finished(block: Data) -> Data:
    """The whole block; a tool call's arguments are parsed, or the call is shown as the invalid one it is."""
    if block["type"] not in _PARSED:
        return block
    rest = {name: value for name, value in block.items() if name not in ("index", "args") and value is not None}
    try:
        args = json.loads(block["args"] or "{}")
    except ValueError:
        args = None
    if isinstance(args, dict):
        return {**rest, "type": _PARSED[block["type"]], "args": args}
    error = "The arguments are not a JSON object."
    return {"id": None, "name": None, **rest, "type": "invalid_tool_call", "args": block["args"], "error": error}


def _add_usage(total: Data, more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping):
            _add_usage(total.setdefault(name, {}), value)
        elif isinstance(value, int):
            total[name] = total.get(name, 0) + value
