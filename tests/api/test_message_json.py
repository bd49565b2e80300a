"""Messages as JSON: what `model_dump` makes of them, whichever way it is come to."""

from __future__ import annotations

import inspect
from typing import Any

import langchain_core.messages
import orjson
import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    BaseMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from pydantic import BaseModel, field_serializer

from threadkeep import json


class Within(BaseModel):
    text: str = "within"


USAGE: Any = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "input_token_details": {"flex": 1}, "more": 4}
CALL: Any = {"name": "add", "args": {"pair": (1, 2), "inner": Within()}, "id": "c1", "type": "tool_call"}
WRONG: Any = {"name": "add", "args": "{", "id": "c2", "error": "no JSON", "type": "invalid_tool_call"}
MESSAGES: list[BaseMessage] = [
    HumanMessage("plain"),
    HumanMessage([{"type": "text", "text": "in parts"}, "or not"], name="ada", id="h1", of_ones_own={"extra": {1}}),
    SystemMessage("be kind", additional_kwargs={"inner": Within(), "raw": b"bytes", 7: None}),
    AIMessage(
        "", tool_calls=[CALL], invalid_tool_calls=[WRONG], usage_metadata=USAGE, response_metadata={"model": "m"}
    ),
    AIMessageChunk(
        "tok", tool_call_chunks=[{"name": "add", "args": "{", "id": "c", "index": 0, "type": "tool_call_chunk"}]
    ),
    ToolMessage("3", tool_call_id="c1", artifact=Within(), status="error"),
    FunctionMessage("3", name="add"),
    ChatMessage("hello", role="critic"),
    RemoveMessage(id="h1"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_written_as_it_dumps_itself(message: BaseMessage) -> None:
    assert orjson.loads(json.dumps({"messages": [message]})) == {"messages": [json.to_jsonable(message.model_dump())]}


def test_a_message_class_of_ones_own_is_written_its_own_way() -> None:
    class Shouting(HumanMessage):
        @field_serializer("content")
        def shout(self, content: str) -> str:
            return content.upper()

    assert orjson.loads(json.dumps(Shouting("hello")))["content"] == "HELLO"


def test_a_message_that_holds_itself_breaks_nothing() -> None:
    message = HumanMessage("hello")
    message.additional_kwargs["again"] = message
    assert orjson.loads(json.dumps(message))["content"] == "hello"


@pytest.mark.parametrize("kind", sorted(json._PLAIN_MESSAGES, key=lambda kind: kind.__name__))
def test_no_message_class_of_langchain_has_a_way_of_its_own_to_be_written(kind: type[BaseMessage]) -> None:
    own = kind.__pydantic_decorators__
    assert not own.field_serializers
    assert not own.model_serializers
    assert not own.computed_fields
    assert not [name for name, field in kind.model_fields.items() if field.exclude or field.serialization_alias]
    assert kind.model_dump is BaseModel.model_dump


def test_every_whole_message_class_of_langchain_is_known() -> None:
    offered = [getattr(langchain_core.messages, name) for name in langchain_core.messages.__all__]
    messages = {kind for kind in offered if inspect.isclass(kind) and issubclass(kind, BaseMessage)}
    whole = {kind for kind in messages if not issubclass(kind, BaseMessageChunk)} - {BaseMessage}
    assert whole | {AIMessageChunk} == json._PLAIN_MESSAGES
