"""What one attempt at a run shows while it goes on, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langgraph.types import Interrupt

from threadkeep import json
from threadkeep.masking import Mask
from threadkeep.runs.accounting import Accounting
from threadkeep.runs.measuring import Measuring
from threadkeep.runs.recording import Recording
from threadkeep.runs.run import Ending, Run
from threadkeep.storage.thread_usage import NOTHING_USED
from threadkeep.streams.event_log import EventLog
from threadkeep.streams.frames import Frame, Frames, full_interrupt
from threadkeep.streams.live import RunStream

_PREVIEW_CHARACTERS = 200


@dataclass(slots=True)
class Attempt:
    """What one attempt has shown so far."""

    run: Run
    stream: RunStream
    started: float
    start: int
    """Its place in the database: once that is on the disk, so are the run's acceptance and this attempt's start."""
    measuring: Measuring
    recording: Recording | None
    accounting: Accounting = field(default_factory=Accounting)
    used: Mapping[str, Any] = field(default_factory=lambda: NOTHING_USED)
    """Model calls, tokens and their cost, once it is over."""
    values: Any = None
    interrupts: list[Interrupt] = field(default_factory=list)
    """The questions that are open, in the order in which they were asked."""
    interrupted: bool = False

    def answer(self) -> Any:
        """What the graph came to, and all that it asks: what its `ainvoke` gives back."""
        if not self.interrupts:
            return self.values
        values = json.to_jsonable(self.values or {})
        asked = [full_interrupt(item) for item in self.interrupts]
        return {**(values if isinstance(values, dict) else {}), "__interrupt__": asked}

    def callbacks(self) -> list[BaseCallbackHandler]:
        """What watches the graph at work."""
        watching = [self.accounting, self.measuring]
        return watching if self.recording is None else [*watching, self.recording]


class Showing:
    """Hands one attempt's parts to the event log.

    Of a resumable run, a root `values` frame waits for the checkpoint that LangGraph tells of right after it: its id is
    all that has to be stored. If anything else comes first, the frame is stored whole.
    """

    def __init__(self, event_log: EventLog, attempt: Attempt, frames: Frames, mask: Mask) -> None:
        self._log = event_log
        self._mask = mask
        self._attempt = attempt
        self._frames = frames
        self._held: list[Frame] = []

    def show(self, part: Any) -> None:
        root = not part["ns"]
        self.let_go(part["data"] if root and part["type"] == "checkpoints" else None)
        if not self._attempt.stream.wanted:
            return
        frames = list(self._frames.of(part))
        if _tells_an_error(part):
            frames = [(name, json.loads(self._mask(json.dumps_text(payload)))) for name, payload in frames]
        if root and part["type"] == "values" and self._attempt.stream.resumable and not part.get("interrupts"):
            self._held = frames
        else:
            self._append(frames)

    def let_go(self, checkpoint: Any = None) -> None:
        held, self._held = self._held, []
        self._append(held, None if checkpoint is None else checkpoint["config"]["configurable"].get("checkpoint_id"))

    def _append(self, frames: list[Frame], checkpoint_id: str | None = None) -> None:
        for name, payload in frames:
            self._log.append(
                self._attempt.stream, name, payload, attempt=self._attempt.run.attempt, checkpoint_id=checkpoint_id
            )


def _tells_an_error(part: Any) -> bool:
    """Whether it says what a tool or a node raised, which may hold a key."""
    data = part["data"]
    match part["type"]:
        case "tools":
            return bool(data["event"] == "tool-error")
        case "tasks":
            return bool(data.get("error"))
        case "checkpoints":
            return any(task.get("error") for task in data.get("tasks", ()))
        case "debug":
            payload = data["payload"]
            return bool(payload.get("error")) or any(task.get("error") for task in payload.get("tasks", ()))
        case _:
            return False


def note_root(attempt: Attempt, part: Any) -> None:
    if part["type"] == "values":
        attempt.values = part["data"]
        if asked := part.get("interrupts"):  # of one task: each that asks has a part of its own
            attempt.interrupted = True
            attempt.interrupts.extend(asked)
    elif part["type"] == "updates" and isinstance(part["data"], dict) and "__interrupt__" in part["data"]:
        attempt.interrupted = True


def result_of(attempt: Attempt, ending: Ending) -> Any:
    """What `wait` and `join` answer: the values, `{}` when cancelled, the error under `__error__`."""
    if ending.error is not None:
        return {"__error__": ending.error}
    if ending.status == "interrupted":
        return {}
    return attempt.answer()


def opening_of(values: Any) -> str | None:
    """The first message's text, cut, by which a thread may be found."""
    return _text_at(values, 0)


def preview_of(values: Any) -> str | None:
    """The last message's text, cut, for lists of threads."""
    return _text_at(values, -1)


def _text_at(values: Any, place: int) -> str | None:
    messages = values.get("messages") if isinstance(values, dict) else getattr(values, "messages", None)
    if not isinstance(messages, list) or not messages:
        return None
    message = messages[place]
    text = getattr(message, "text", None) if not isinstance(message, dict) else message.get("content")
    # A lone surrogate, which a model may have brought, cannot be stored.
    return str(text)[:_PREVIEW_CHARACTERS].encode("utf-8", errors="replace").decode() if text else None
