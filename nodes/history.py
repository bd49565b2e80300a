"""Making a thread's messages fit to send: every tool call has its result, every result its call, all text is valid.

Providers refuse a request in which a call stands without a result, and would refuse that thread for ever. So the
copy that is sent is repaired before each model call; the thread itself keeps what happened.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.messages.tool import tool_call

Message = TypeVar("Message", bound=BaseMessage)
SENT = ("content", "tool_calls", "name", "tool_call_id")
"""What of a message a request carries."""
LOST = "This call was interrupted before it gave a result."


def repaired(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages with each tool call followed by its result, and no result without its call."""
    results = {message.tool_call_id: message for message in messages if isinstance(message, ToolMessage)}
    whole: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            continue
        whole.append(clean(message))
        if isinstance(message, AIMessage):
            for call in message.tool_calls:
                lost = ToolMessage(LOST, tool_call_id=call["id"] or "", name=call["name"], status="error")
                whole.append(clean(results.get(call["id"] or "", lost)))
    return whole


def clean(message: Message) -> Message:
    """The message without lone surrogates, which no request could carry (tools and files do bring them)."""
    sent = {name: getattr(message, name, None) for name in SENT}
    changed = {name: value for name, one in sent.items() if (value := valid(one)) != one}
    return message.model_copy(update=changed) if changed else message


def valid(value: Any) -> Any:
    """`value` with every lone surrogate replaced, in whatever text it holds."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [valid(part) for part in value]
    if isinstance(value, dict):
        return {valid(key): valid(part) for key, part in value.items()}
    return value


def with_malformed_calls_answered(answer: AIMessage) -> list[BaseMessage]:
    """The answer, and an error result for each call whose arguments were no JSON, so that the model can correct it.

    Such a call stays in the answer with empty arguments: servers that parse the arguments they are sent back would
    refuse the text as the model wrote it.
    """
    broken = answer.invalid_tool_calls
    if not broken:
        return [answer]
    calls = [
        tool_call(name=call["name"] or "unknown", args={}, id=call["id"] or f"malformed_{number}")
        for number, call in enumerate(broken)
    ]
    kept = answer.model_copy(update={"tool_calls": [*answer.tool_calls, *calls], "invalid_tool_calls": []})
    kept.additional_kwargs.pop("tool_calls", None)
    return [
        kept,
        *(
            ToolMessage(
                f"The arguments were no valid JSON: {(wrong['args'] or '')[:200]!r}. Send the call again.",
                tool_call_id=call["id"],
                name=call["name"],
                status="error",
            )
            for call, wrong in zip(calls, broken, strict=True)
        ),
    ]
