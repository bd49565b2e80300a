"""What a run used, counted as it happens: tokens by model, tool calls in order. Works for any graph, by callbacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

_COUNTED = ("input_tokens", "output_tokens", "total_tokens")


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
        self._tokens: Counter[str] = Counter()

    @property
    def usage(self) -> dict[str, int]:
        """Tokens as the models reported them; all zero when none did."""
        return {"model_calls": self.model_calls, **{name: self._tokens[name] for name in _COUNTED}}

    def on_chat_model_start(self, serialized: dict[str, Any], messages: list[list[Any]], **kwargs: Any) -> None:
        self.model_calls += 1

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        for generations in response.generations:
            for generation in generations:
                message = generation.message if isinstance(generation, ChatGeneration) else None
                if isinstance(message, AIMessage) and message.usage_metadata is not None:
                    self._add(message.usage_metadata)

    def _add(self, usage: Mapping[str, Any]) -> None:
        for name in _COUNTED:
            self._tokens[name] += int(usage.get(name) or 0)

    def on_tool_start(self, serialized: dict[str, Any] | None, input_str: str, **kwargs: Any) -> None:
        name = (serialized or {}).get("name") or kwargs.get("name")
        if name:
            self.tools_used.append(str(name))
