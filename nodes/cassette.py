"""Recording what a model answered, and answering from the record: for debugging, regression tests and demos.

A cassette is a file of JSON lines, one per answer, keyed by the request: the messages, the tools offered and the
schema asked for. The same request asked several times has several answers, which are replayed in order. A request
that was never recorded is an error, never a guess.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from nodes.offline import OfflineChatModel


class CassetteMissError(LookupError):
    """The cassette holds no answer to this request."""


def request_key(messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: dict[str, Any] | None) -> str:
    """The same for requests that ask the same, whatever ids their messages have."""
    request = [[convert_to_openai_messages(message) for message in messages], tools, schema]
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]


class RecordingModel(BaseChatModel):
    """Asks `inner` and writes every answer to the cassette. The inner model's own callbacks stay silent."""

    inner: BaseChatModel
    cassette: Path

    @property
    def _llm_type(self) -> str:
        return self.inner._llm_type

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(self, messages: list[BaseMessage], *args: Any, **asked: Any) -> ChatResult:
        result = self.inner._generate(messages, **_without_callbacks(asked))
        return self._written(messages, asked, result)

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **asked: Any) -> ChatResult:
        result = await self.inner._agenerate(messages, **_without_callbacks(asked))
        return self._written(messages, asked, result)

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **asked: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        whole: ChatGenerationChunk | None = None
        async for chunk in self.inner._astream(messages, **_without_callbacks(asked)):
            whole = chunk if whole is None else whole + chunk
            yield chunk
        if whole is not None:
            self._written(messages, asked, ChatResult(generations=[whole]))

    def _written(self, messages: list[BaseMessage], asked: dict[str, Any], result: ChatResult) -> ChatResult:
        answer = result.generations[0].message
        assert isinstance(answer, AIMessage)
        form = asked.get("response_format") or {}
        kept = {
            "key": request_key(messages, asked.get("tools") or [], form.get("json_schema")),
            "text": str(answer.text),
            "tool_calls": answer.tool_calls,
            "usage": answer.usage_metadata,
        }
        with self.cassette.open("a", encoding="utf-8") as file:
            file.write(json.dumps(kept) + "\n")
        return result


class ReplayModel(OfflineChatModel):
    """Answers from the cassette alone, streamed word by word. A request it does not hold is a `CassetteMissError`."""

    cassette: Path
    _answers: dict[str, list[dict[str, Any]]] = PrivateAttr(default_factory=dict)
    _given: dict[str, int] = PrivateAttr(default_factory=lambda: defaultdict(int))

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        for line in self.cassette.read_text("utf-8").splitlines():
            kept = json.loads(line)
            self._answers.setdefault(kept["key"], []).append(kept)

    def answer(
        self, messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: dict[str, Any] | None
    ) -> AIMessage:
        key = request_key(messages, tools, schema)
        if key not in self._answers:
            asked = str(messages[-1].text)[:200]
            raise CassetteMissError(f"{self.cassette} holds no answer to this request: {asked!r}")
        answers, place = self._answers[key], self._given[key]
        self._given[key] += 1
        kept = answers[min(place, len(answers) - 1)]
        return AIMessage(kept["text"], tool_calls=kept["tool_calls"], usage_metadata=kept["usage"])


def _without_callbacks(asked: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in asked.items() if key != "run_manager"}
