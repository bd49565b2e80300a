"""What happens inside a run, seen as it happens: nodes, and within them model calls and tool calls. For any graph.

Here things are only noted, with the messages themselves and not their text: `recorder.py` makes rows of them later, so
that a run waits for none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import ToolMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langgraph.errors import GraphBubbleUp

from threadkeep.clock import Clock
from threadkeep.runs.accounting import UNNAMED, model_of, tool_of
from threadkeep.runs.measuring import NODE_TAG
from threadkeep.runs.run import Run

_MANY = 64

Kind = Literal["node", "model", "tool"]
Outcome = Literal["ok", "error", "interrupted", "cancelled"]
"""interrupted: it asks a person, or hands over. cancelled: the run ended before it did."""


@dataclass(slots=True)
class Seen:
    """A node, a model call or a tool call; `began` and `ended` are seconds of the monotonic clock."""

    span_id: str
    parent_id: str | None
    kind: Kind
    name: str
    began: float
    step: int | None = None
    """The super-step, of a node."""
    provider: str | None = None
    sent: Sequence[Any] = ()
    parameters: Any = None
    answer: Any = None
    usage: Any = None
    first_token: float | None = None
    ended: float | None = None
    outcome: Outcome | None = None
    error: BaseException | None = None


class Recording(BaseCallbackHandler):
    """A callback handler for one attempt. Nodes that run in threads call it from there."""

    ignore_retriever = True
    ignore_retry = True
    ignore_custom_event = True
    run_inline = True

    def __init__(self, run: Run, clock: Clock, relieve: Callable[[], object] = lambda: None) -> None:
        """`relieve` is called when many have ended, to have them taken before the run's end."""
        self.run = run
        self._relieve = relieve
        self._told = False
        """Somebody was asked to take what has ended, and did not come yet."""
        self.started = clock.now()
        self.began = clock.monotonic()
        self._clock = clock
        self._open: dict[UUID, Seen] = {}
        self._within: dict[UUID, str | None] = {}
        """Of everything that runs now, the span it belongs to."""
        self._ended: list[Seen] = []

    def take(self) -> list[Seen]:
        """Those that have ended since the last time."""
        self._told = False
        taken = self._ended[:]
        del self._ended[: len(taken)]  # one that has ended in a thread meanwhile stays for the next time
        return taken

    def under_way(self) -> list[Seen]:
        return list(self._open.values())

    def close(self) -> None:
        """The attempt is over, and with it whatever is still open."""
        self._relieve = lambda: None  # a thread may still be at work when the loop is gone
        for run_id in list(self._open):
            self._end(run_id, "cancelled")

    def _begin(self, run_id: UUID, parent: UUID | None, kind: Kind, name: str, **known: Any) -> None:
        span_id = str(run_id)
        above = None if parent is None else self._within.get(parent)
        self._within[run_id] = span_id
        self._open[run_id] = Seen(span_id, above, kind, name, self._clock.monotonic(), **known)

    def _end(self, run_id: UUID, outcome: Outcome, error: BaseException | None = None, **found: Any) -> None:
        self._within.pop(run_id, None)
        seen = self._open.pop(run_id, None)
        if seen is None:
            return
        seen.ended, seen.outcome, seen.error = self._clock.monotonic(), outcome, error
        for name, value in found.items():
            setattr(seen, name, value)
        self._ended.append(seen)
        if len(self._ended) >= _MANY and not self._told:
            self._told = True
            self._relieve()

    # -- nodes ------------------------------------------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **more: Any,
    ) -> None:
        if tags and any(tag.startswith(NODE_TAG) for tag in tags):
            metadata = more.get("metadata") or {}
            name = str(more.get("name") or metadata.get("langgraph_node"))
            self._begin(run_id, parent_run_id, "node", name, step=metadata.get("langgraph_step"))
        else:
            self._within[run_id] = None if parent_run_id is None else self._within.get(parent_run_id)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **more: Any) -> None:
        self._end(run_id, "ok")

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        self._end(run_id, *_why(error))

    # -- models -----------------------------------------------------------------------------------------------------

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **more: Any,
    ) -> None:
        self._model_begins(run_id, parent_run_id, [one for several in messages for one in several], more)

    def on_llm_start(
        self,
        serialized: dict[str, Any] | None,
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **more: Any,
    ) -> None:
        self._model_begins(run_id, parent_run_id, list(prompts), more)

    def _model_begins(self, run_id: UUID, parent: UUID | None, sent: list[Any], more: dict[str, Any]) -> None:
        provider, model = model_of(more.get("metadata"))
        parameters = more.get("invocation_params")
        self._begin(run_id, parent, "model", model, provider=provider, sent=sent, parameters=parameters)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **more: Any) -> None:
        seen = self._open.get(run_id)
        if seen is not None and seen.first_token is None:
            seen.first_token = self._clock.monotonic()

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **more: Any) -> None:
        answers = [_answer(generation) for several in response.generations for generation in several]
        answer = answers[0] if len(answers) == 1 else answers
        usages = [usage for one in answers if (usage := getattr(one, "usage_metadata", None))]
        self._end(run_id, "ok", answer=answer, usage=usages[0] if len(usages) == 1 else None)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        self._end(run_id, *_why(error))

    # -- tools ------------------------------------------------------------------------------------------------------

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        name = tool_of(serialized, more) or UNNAMED
        self._begin(run_id, parent_run_id, "tool", name, sent=[input_str if inputs is None else inputs])

    def on_tool_end(self, output: Any, *, run_id: UUID, **more: Any) -> None:
        failed = isinstance(output, ToolMessage) and output.status == "error"
        self._end(run_id, "error" if failed else "ok", answer=output)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        self._end(run_id, *_why(error))


def _answer(generation: Any) -> Any:
    return generation.message if isinstance(generation, ChatGeneration) else generation.text


def _why(error: BaseException) -> tuple[Outcome, BaseException | None]:
    if isinstance(error, GraphBubbleUp):
        return "interrupted", None
    return ("error", error) if isinstance(error, Exception) else ("cancelled", None)
