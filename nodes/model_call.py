"""The one way a node asks a model: counted, with its fallbacks, and never half an answer taken for a whole one.

Retrying a refused request is the provider SDK's business, so that no second layer multiplies it. Here: an answer that
broke off or cannot be read is asked for once more, a model that cannot be reached gives way to the next, and the client
is told to discard the tokens it was already shown. A prompt that is too long is `PromptTooLongError`, for memory to
shorten.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.config import get_stream_writer

from nodes import prompts
from nodes.context import ModelContext
from nodes.history import clean, repaired
from nodes.models import SDK_RETRIES, ChatModels, ModelChoice
from nodes.state import Spent, add_spent
from nodes.tokens import estimated_tokens

_PROVIDER_ERRORS = {"openai": "OpenAIError", "anthropic": "AnthropicError", "httpx": "HTTPError", "httpx2": "HTTPError"}
_TOO_LONG = ("context length", "context_length_exceeded", "context size", "too many tokens", "prompt is too long")
_UNREADABLE = ("no generations found in stream", "unexpected response type from openai", "list index out of range")
"""How the client complains of an answer with status 200 that is no chat completion: a proxy's page, an empty list."""


INTERNAL = RunnableConfig(tags=["nostream"])
"""Merged into the config of a model call whose tokens are no part of the answer."""


class ModelCallError(RuntimeError):
    """No model that was asked gave an answer."""


class PromptTooLongError(ValueError):
    """The provider refused the prompt as longer than the model's context."""


class SchemaRefusedError(ValueError):
    """The server does not take a JSON schema, or not this one."""


class CutAnswerError(ConnectionError):
    """The answer broke off: the stream ended without a finish reason."""


async def complete(
    models: ChatModels,
    context: ModelContext,
    messages: Sequence[BaseMessage],
    config: RunnableConfig,
    *,
    tools: Sequence[BaseTool] = (),
    schema: dict[str, Any] | None = None,
    in_words: bool = False,
) -> tuple[AIMessage, Spent]:
    """The model's whole answer and what it cost, failed attempts included.

    With a JSON `schema` (which has a `title`), the answer's text should be an object of it; `in_words` asks for that
    in the prompt alone. See `structured.py`.
    Raises `PromptTooLongError`, `SchemaRefusedError`, `ModelCallError` when neither the model nor a fallback answered,
    and the provider's own error for a request it refuses otherwise.
    """
    spent = Spent()
    for name in (context.model, *context.fallback_models):
        model = models(ModelChoice(name, context.temperature, context.max_tokens))
        asking, sent = _asking(model, repaired(messages), tools, schema, in_words)
        for _ in range(2):
            call_id = uuid4()
            try:
                answer = await asking.ainvoke(sent, {**config, "run_id": call_id})
                _whole(answer)
            except _failures() as error:
                failure = _worth_another_attempt(error)
                spent = add_spent(spent, Spent(model_calls=1))
                _discard(f"lc_run--{call_id}", config)
                if not _broke_off(error) or _sdk_has_retried(error):
                    break
            else:
                return clean(answer), add_spent(spent, cost_of(sent, answer, context))
    status = getattr(failure, "status_code", None)
    raise ModelCallError(
        f"No answer from the model: {f'status {status}' if status else type(failure).__name__}"
    ) from failure


def cost_of(sent: Sequence[BaseMessage], answer: AIMessage, context: ModelContext) -> Spent:
    """One model call with its tokens and their price; estimated when the server reports none, so that budgets hold."""
    usage = answer.usage_metadata
    read = usage["input_tokens"] if usage else estimated_tokens(sent)
    written = usage["output_tokens"] if usage else estimated_tokens([answer])
    dollars = (read * context.input_price + written * context.output_price) / 1_000_000
    return Spent(model_calls=1, input_tokens=read, output_tokens=written, dollars=dollars)


def _asking(
    model: BaseChatModel,
    messages: list[BaseMessage],
    tools: Sequence[BaseTool],
    schema: dict[str, Any] | None,
    in_words: bool,
) -> tuple[Runnable[LanguageModelInput, AIMessage], list[BaseMessage]]:
    if schema is None:
        return (model.bind_tools(tools) if tools else model), messages
    if in_words or model._llm_type not in ("openai-chat", "offline"):  # other providers spell it in their own ways
        return model, [*messages, HumanMessage(f"{prompts.JSON_ONLY}\n{json.dumps(schema)}")]
    form = {"type": "json_schema", "json_schema": {"name": schema["title"], "schema": schema}}
    return model.bind(response_format=form), messages


def _failures() -> tuple[type[Exception], ...]:
    """What a model call may fail with; a provider's errors exist only once its package is loaded."""
    loaded = (getattr(sys.modules.get(name), error, None) for name, error in _PROVIDER_ERRORS.items())
    return (
        ConnectionError,
        TimeoutError,
        ValueError,
        IndexError,
        *(error for error in loaded if isinstance(error, type)),
    )


def _worth_another_attempt(error: Exception) -> Exception:
    """The error itself when another attempt may help; raises when it cannot."""
    if isinstance(error, ValueError | IndexError) and not _unreadable(error):
        raise error
    status = getattr(error, "status_code", None)
    said = f"{getattr(error, 'code', '')} {getattr(error, 'body', '')} {error}".lower()
    if status in (400, 413, 422, 500) and any(sign in said for sign in _TOO_LONG):
        raise PromptTooLongError("The conversation is longer than the model's context.") from error
    if status in (400, 422) and ("response_format" in said or "json_schema" in said):
        raise SchemaRefusedError("The server knows no JSON schemas.") from error
    if status is not None and status < 500 and status not in (408, 409, 429):
        raise error
    return error


def _whole(answer: AIMessage) -> None:
    """Refuse an answer of a chat completions server that has no finish reason: its stream was cut."""
    told = answer.response_metadata
    if told.get("model_provider") == "openai" and not told.get("finish_reason"):
        raise CutAnswerError("the answer broke off")


def _broke_off(error: BaseException | None) -> bool:
    """Whether the connection was lost, perhaps in the middle of an answer, or brought what is none: the SDK does not
    try again then.
    """
    if error is None:
        return False
    lost = type(error).__name__ in ("RemoteProtocolError", "ReadError") or isinstance(error, CutAnswerError)
    return lost or _unreadable(error) or _broke_off(error.__cause__ or error.__context__)


def _unreadable(error: BaseException) -> bool:
    """Whether what came is no chat completion at all."""
    said = str(error).lower()
    return isinstance(error, json.JSONDecodeError) or any(sign in said for sign in _UNREADABLE)


def _sdk_has_retried(error: Exception) -> bool:
    """Whether the failed request was the last that the SDK would make.

    A connection lost before the answer began looks just like one lost in the middle of it, but the former was tried
    again by the SDK already; its requests say in a header which attempt they are.
    """
    with suppress(RuntimeError):  # what an HTTP error without a request answers to being asked for it
        request = getattr(error, "request", None)
        return int(getattr(request, "headers", {}).get("x-stainless-retry-count", 0)) >= SDK_RETRIES
    return False


def _discard(message_id: str, config: RunnableConfig) -> None:
    """Tell clients that what they were shown of this message is void."""
    if "nostream" not in (config.get("tags") or []):
        get_stream_writer()({"type": "discard", "message_id": message_id})
