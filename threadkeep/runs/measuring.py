"""How long the parts of a run take, and how they end: nodes, model calls, tool calls. For any graph, by callbacks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import ToolMessage
from langchain_core.outputs import LLMResult
from langgraph.errors import GraphBubbleUp

from threadkeep.clock import Clock
from threadkeep.metrics import Metrics
from threadkeep.runs.accounting import model_of, tool_of

NODE_TAG = "graph:step:"
"""LangGraph tags a node's own run with it, and nothing inside the node."""


class Measuring(BaseCallbackHandler):
    """A callback handler for one attempt."""

    ignore_retriever = True
    ignore_retry = True
    ignore_custom_event = True
    run_inline = True

    def __init__(self, graph_id: str, metrics: Metrics, clock: Clock) -> None:
        self._graph_id = graph_id
        self._metrics = metrics
        self._clock = clock
        self._under_way: dict[UUID, tuple[str, float]] = {}
        self._silent: set[UUID] = set()
        """Model calls that have shown no token yet."""

    def _begin(self, run_id: UUID, name: str) -> None:
        self._under_way[run_id] = (name, self._clock.monotonic())

    def _ended(self, run_id: UUID) -> tuple[str, float] | None:
        begun = self._under_way.pop(run_id, None)
        return None if begun is None else (begun[0], self._clock.monotonic() - begun[1])

    # -- nodes ------------------------------------------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        **more: Any,
    ) -> None:
        if tags and any(tag.startswith(NODE_TAG) for tag in tags):
            self._begin(run_id, str(more.get("name") or (more.get("metadata") or {}).get("langgraph_node")))

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **more: Any) -> None:
        self._node_ended(run_id, "ok")

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        self._node_ended(run_id, "interrupted" if isinstance(error, GraphBubbleUp) else "error")

    def _node_ended(self, run_id: UUID, outcome: str) -> None:
        if (ended := self._ended(run_id)) is not None:
            self._metrics.node_ended(self._graph_id, ended[0], outcome, ended[1])

    # -- models -----------------------------------------------------------------------------------------------------

    def on_chat_model_start(
        self, serialized: dict[str, Any] | None, messages: list[list[Any]], *, run_id: UUID, **more: Any
    ) -> None:
        self._begin(run_id, model_of(more.get("metadata"))[1])
        self._silent.add(run_id)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **more: Any) -> None:
        if run_id in self._silent:
            self._silent.discard(run_id)
            model, started = self._under_way[run_id]
            self._metrics.first_token(model, self._clock.monotonic() - started)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **more: Any) -> None:
        self._model_ended(run_id, "ok")

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        self._model_ended(run_id, "error")

    def _model_ended(self, run_id: UUID, outcome: str) -> None:
        self._silent.discard(run_id)
        if (ended := self._ended(run_id)) is not None:
            self._metrics.model_answered(ended[0], outcome, ended[1])

    # -- tools ------------------------------------------------------------------------------------------------------

    def on_tool_start(self, serialized: dict[str, Any] | None, input_str: str, *, run_id: UUID, **more: Any) -> None:
        if (name := tool_of(serialized, more)) is not None:
            self._begin(run_id, name)

    def on_tool_end(self, output: Any, *, run_id: UUID, **more: Any) -> None:
        failed = isinstance(output, ToolMessage) and output.status == "error"
        self._tool_ended(run_id, "error" if failed else "ok")

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        self._tool_ended(run_id, "interrupted" if isinstance(error, GraphBubbleUp) else "error")

    def _tool_ended(self, run_id: UUID, outcome: str) -> None:
        if (ended := self._ended(run_id)) is not None:
            self._metrics.tool_ended(ended[0], outcome, ended[1])
