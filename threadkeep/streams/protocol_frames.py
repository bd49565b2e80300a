"""What each frame of a run's log becomes in the thread protocol, before it has a number (see `protocol.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from threadkeep import json
from threadkeep.streams.frames import CHECKPOINT_IDS, checkpoint_ids
from threadkeep.streams.live import END, Event
from threadkeep.streams.message_blocks import MessageBlocks
from threadkeep.streams.subscription import Subscription

_PASSED_ON = ("custom", "tasks", "tools", "lifecycle", "checkpoints", CHECKPOINT_IDS)
_INTERRUPT = b'"__interrupt__"'
_TOOL_EVENTS = {
    "on_tool_start": ("tool-started", "input", "input"),
    "on_tool_event": ("tool-output-delta", "data", "delta"),
    "on_tool_end": ("tool-finished", "output", "output"),
    "on_tool_error": ("tool-error", "error", "message"),
}


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What of a run its frames do not tell."""

    run_id: str
    graph_id: str
    sequence: int
    """The run's place in the order of acceptance."""
    pairs_values: bool
    """Whether a `values` frame may be followed by its checkpoint's."""
    answers: tuple[str, ...] = ()
    """Ids of the interrupts that this run answers."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, as its row says."""

    status: str
    error: str | None = None
    interrupts: tuple[dict[str, Any], ...] | None = None
    """The questions it stopped at; None when it did not stop."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that has no number yet."""

    channel: str
    method: str
    namespace: tuple[str, ...]
    data: bytes
    node: str | None = None


@dataclass(slots=True)
class Frames:
    """What each kind of frame becomes. A frame none of whose events is wanted is not even parsed."""

    facts: RunFacts
    wanted: Subscription
    messages: MessageBlocks = field(default_factory=MessageBlocks)
    asked_in: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Where the run's questions were asked, by their ids."""

    def drafts(self, mode: str, namespace: tuple[str, ...], event: Event, outcome: Outcome | None) -> Iterator[Draft]:
        """Those of one frame, in order. What only a wanted channel's events depend on comes after the rest, since an
        event's place is its number."""
        match mode:
            case "metadata":
                yield from self._begun(event)
            case "values" | "updates":
                yield from self._state(mode, namespace, event.data)
            case "messages" if self.wanted.wants("messages"):
                yield from self._spoken(namespace, event)
            case _ if mode == END:
                yield from self._ended(outcome or Outcome("error"))
            case _ if mode in _PASSED_ON:
                yield from _passed_on(mode, namespace, event.data, self.wanted)

    def _spoken(self, namespace: tuple[str, ...], event: Event) -> Iterator[Draft]:
        message, metadata = json.loads(event.data)
        for data in self.messages.of(message, f"{self.facts.run_id}-{event.event_id}"):
            yield Draft("messages", "messages", namespace, json.dumps(data), metadata.get("langgraph_node"))

    def _begun(self, event: Event) -> Iterator[Draft]:
        yield self._root({"event": "running"})
        if self.facts.answers:
            yield Draft("input", "input.answered", (), json.dumps({"interrupt_ids": self.facts.answers}))
        if json.loads(event.data).get("attempt", 1) > 1:
            for data in self.messages.fail_all("The server was restarted; the step that said this is done again."):
                yield Draft("messages", "messages", (), json.dumps(data))

    def _state(self, mode: str, namespace: tuple[str, ...], data: bytes) -> Iterator[Draft]:
        asks = _INTERRUPT in data
        if mode == "values" and not asks:
            yield Draft("values", "values", namespace, data)
            return
        if not asks and not self.wanted.wants("updates"):
            return
        shown = json.loads(data)
        self._note_questions(namespace, shown.pop("__interrupt__", None) if isinstance(shown, dict) else None)
        if mode == "values":
            yield Draft("values", "values", namespace, json.dumps(shown))
        else:
            yield from _updates(namespace, shown)

    def _note_questions(self, namespace: tuple[str, ...], interrupts: Any) -> None:
        """Where each question first shows: in the subgraph that asks it."""
        for item in interrupts if isinstance(interrupts, list) else ():
            if isinstance(item, dict) and isinstance(item.get("id"), str):
                self.asked_in.setdefault(item["id"], namespace)

    def _questions(self, interrupts: tuple[dict[str, Any], ...]) -> Iterator[Draft]:
        """Told when the run has ended, since no sooner can they be answered."""
        for item in interrupts:
            # The Python SDK reads `value`, where the protocol has `payload`.
            data = {"interrupt_id": item["id"], "payload": item.get("value"), "value": item.get("value")}
            yield Draft("input", "input.requested", self.asked_in.get(item["id"], ()), json.dumps(data))

    def _ended(self, outcome: Outcome) -> Iterator[Draft]:
        for data in self.messages.fail_all("The run ended before this message did."):
            yield Draft("messages", "messages", (), json.dumps(data))
        yield from self._questions(outcome.interrupts or ())
        match outcome.status:
            case "success" if outcome.interrupts is None:
                yield self._root({"event": "completed"})
            case "success":
                yield self._root({"event": "interrupted"})
            case "interrupted":
                # To a client, `interrupted` means that an answer is awaited; nobody can answer a cancelled run.
                yield self._root({"event": "failed", "error": "The run was cancelled."})
            case _:
                yield self._root({"event": "failed", "error": outcome.error or f"The run ended as {outcome.status}."})

    def _root(self, data: dict[str, Any]) -> Draft:
        return Draft("lifecycle", "lifecycle", (), json.dumps({**data, "graph_name": self.facts.graph_id}))


def _updates(namespace: tuple[str, ...], shown: Any) -> Iterator[Draft]:
    """One event for each node, and for each update of a node that made several."""
    for node, update in (shown or {}).items():
        for values in update if isinstance(update, list) else [update]:
            data = {"node": node, "values": {} if values is None else values}
            yield Draft("updates", "updates", namespace, json.dumps(data), node)


def _passed_on(mode: str, namespace: tuple[str, ...], data: bytes, wanted: Subscription) -> Iterator[Draft]:
    channel = "checkpoints" if mode == CHECKPOINT_IDS else mode
    if channel != "checkpoints" and not wanted.wants(channel):
        return  # a checkpoint stands before the values it holds, and so counts in their number
    match mode:
        case "custom":
            yield _custom(namespace, data)
            return
        case "tools":
            data = json.dumps(_tool(json.loads(data)))
        case "checkpoints":
            data = json.dumps(checkpoint_ids(json.loads(data)))
        case "lifecycle":
            data = json.dumps(_child(namespace, json.loads(data)))
    yield Draft(channel, channel, namespace, data)


def _custom(namespace: tuple[str, ...], data: bytes) -> Draft:
    """What a graph wrote; an object of just `name` and `payload` is an event of the channel `custom:<name>`."""
    if data.startswith(b"{") and b'"payload"' in data:
        written = json.loads(data)
        if written.keys() == {"name", "payload"} and isinstance(written["name"], str) and written["name"]:
            return Draft(f"custom:{written['name']}", "custom", namespace, data)
    return Draft("custom", "custom", namespace, b'{"payload":' + data + b"}")


def _tool(shown: dict[str, Any]) -> dict[str, Any]:
    event, source, target = _TOOL_EVENTS[shown["event"]]
    data = {"event": event, "tool_call_id": shown["toolCallId"], target: shown.get(source)}
    if target == "delta" and not isinstance(data["delta"], str):
        data["delta"] = json.dumps_text(data["delta"])
    return {**data, "tool_name": shown["name"]} if event == "tool-started" else data


def _child(namespace: tuple[str, ...], shown: dict[str, Any]) -> dict[str, Any]:
    data = {"event": shown["event"], "graph_name": namespace[-1].partition(":")[0] if namespace else ""}
    if shown.get("tool_call_id"):
        data["cause"] = {"type": "toolCall", "tool_call_id": shown["tool_call_id"]}
    if shown.get("error"):
        data["error"] = f"{shown['error'].get('error')}: {shown['error'].get('message')}"
    return data
