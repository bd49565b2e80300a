"""What a run used, counted as it happens: model calls with their tokens, tool calls in order. For any graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from threadkeep.metrics import Metrics
from threadkeep.runs.prices import ModelCall, Prices

COUNTED = ("input_tokens", "output_tokens", "total_tokens")
UNNAMED = "unnamed"
"""A model that does not say what it is called."""


class Accounting(BaseCallbackHandler):
    """A callback handler for one attempt; chains are ignored, so it costs nothing between model and tool calls."""

    ignore_chain = True
    ignore_retriever = True
    ignore_retry = True
    ignore_custom_event = True
    run_inline = True

    def __init__(self) -> None:
        self.tools_used: list[str] = []
        self.model_calls = 0
        self.answered: list[ModelCall] = []
        """Calls that ended well, in that order."""
        self._named: dict[UUID, tuple[str | None, str]] = {}

    @property
    def used_something(self) -> bool:
        return bool(self.model_calls or self.answered or self.tools_used)

    def usage(self, costs: Sequence[float | None]) -> dict[str, Any]:
        """Tokens as the models reported them, all zero when none did, and what they cost, null when some price is
        unknown. `costs` are those of the answered calls."""
        tokens = {name: sum(int(call.usage.get(name) or 0) for call in self.answered if call.usage) for name in COUNTED}
        known = [cost for cost in costs if cost is not None]
        cost_usd = None if self._named or len(known) < len(costs) else round(sum(known), 9)
        return {"model_calls": self.model_calls, **tokens, "cost_usd": cost_usd}

    def on_chat_model_start(
        self, serialized: dict[str, Any] | None, messages: list[list[Any]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        self.model_calls += 1
        self._named[run_id] = model_of(kwargs.get("metadata"))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        provider, model = self._named.pop(run_id, (None, UNNAMED))
        for generations in response.generations:
            for generation in generations:
                message = generation.message if isinstance(generation, ChatGeneration) else None
                usage = message.usage_metadata if isinstance(message, AIMessage) else None
                self.answered.append(ModelCall(provider, model, usage))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        if isinstance(error, Exception):  # of a call that was cancelled, nobody knows what it used
            self._named.pop(run_id, None)

    def on_tool_start(self, serialized: dict[str, Any] | None, input_str: str, **kwargs: Any) -> None:
        if (name := tool_of(serialized, kwargs)) is not None:
            self.tools_used.append(name)


async def settled_usage(accounting: Accounting, prices: Prices, metrics: Metrics) -> dict[str, Any]:
    """The usage of an attempt that is over, also told to the metrics."""
    costs = await prices.of(accounting.answered)
    for call, cost in zip(accounting.answered, costs, strict=True):
        metrics.tokens_used(call.model, call.usage or {})
        metrics.model_cost(call.model, cost)
    return accounting.usage(costs)


def model_of(metadata: dict[str, Any] | None) -> tuple[str | None, str]:
    """The provider and the name of the model that a call goes to."""
    metadata = metadata or {}
    provider = metadata.get("ls_provider")
    return None if provider is None else str(provider), str(metadata.get("ls_model_name") or provider or UNNAMED)


def tool_of(serialized: dict[str, Any] | None, more: dict[str, Any]) -> str | None:
    name = (serialized or {}).get("name") or more.get("name")
    return str(name) if name else None
