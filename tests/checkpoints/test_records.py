"""Messages packed and made anew by the checkpointer itself are, byte for byte, what LangGraph's serializer has."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from checkpoints.items import MOST, pack_plain, thaw
from checkpoints.records import dumped, packed, revived

SERDE = JsonPlusSerializer(allowed_msgpack_modules=None)


class Cipher(JsonPlusSerializer):
    """Any other serializer, which may do to the bytes what it likes."""


TEXTS = st.text(max_size=20) | st.sampled_from([0xFF, 0xFFFF]).map(lambda size: "x" * size)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | TEXTS | st.binary()
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.dictionaries(st.text(max_size=5), TREES, max_size=3)
CONTENTS = TEXTS | st.lists(TEXTS | st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}), max_size=3)
IDS = st.none() | st.text(max_size=8)
CALLS = st.fixed_dictionaries({"name": st.text(max_size=5), "args": FIELDS, "id": IDS, "type": st.just("tool_call")})
USAGES = st.none() | st.fixed_dictionaries(
    {key: st.integers(0, 9) for key in ("input_tokens", "output_tokens", "total_tokens")}
)
MESSAGES = st.one_of(
    st.builds(HumanMessage, CONTENTS, id=IDS, name=IDS, additional_kwargs=FIELDS),
    st.builds(SystemMessage, CONTENTS, id=IDS),
    st.builds(ToolMessage, CONTENTS, tool_call_id=st.text(max_size=5), artifact=TREES, id=IDS),
    st.builds(
        AIMessage, CONTENTS, id=IDS, response_metadata=FIELDS, tool_calls=st.lists(CALLS, max_size=2),
        usage_metadata=USAGES,
    ),
)  # fmt: skip


def looks(message: Any) -> Any:
    return (
        type(message), pack_plain([message]), message.__pydantic_fields_set__, message.__pydantic_extra__,
        message.__pydantic_private__,
    )  # fmt: skip


@given(st.lists(MESSAGES, max_size=20))
def test_they_are_stored_and_loaded_as_the_serializer_does(messages: list[Any]) -> None:
    found = packed(messages, SERDE)
    assert found is not None
    assert dumped(found) == SERDE.dumps_typed(messages)[1]
    again = revived(found)
    assert again is not None
    made, frozen = again
    loaded = SERDE.loads_typed(SERDE.dumps_typed(messages))
    assert list(map(looks, made)) == list(map(looks, loaded)) == list(map(looks, thaw(frozen)))


def _edited(**fields: Any) -> AIMessage:
    message = AIMessage("hello")
    message.__dict__.update(fields)
    return message


@pytest.mark.parametrize(
    "item",
    [
        "text",
        AIMessageChunk("of another class"),
        HumanMessage("with a field of its own", colour="red"),  # type: ignore[call-arg]
        HumanMessage("with what msgpack does not know", additional_kwargs={"names": {"a"}}),
        _edited(colour="red"),
    ],
)
def test_everything_else_is_left_to_the_serializer(item: Any) -> None:
    assert packed([HumanMessage("hello"), item], SERDE) is None


def test_messages_are_too_where_the_serializer_is_another_one_or_they_are_more_than_an_array_counts() -> None:
    assert packed([HumanMessage("hello")], Cipher()) is None
    assert packed([HumanMessage("hello")] * (MOST + 1), SERDE) is None


def test_a_message_whose_fields_its_class_refuses_is_loaded_by_the_serializer() -> None:
    found = packed([_edited(content=None)], SERDE)
    assert found is not None
    assert revived(found) is None
    assert SERDE.loads_typed(("msgpack", dumped(found)))[0].content is None


def test_what_a_class_makes_of_an_edit_is_what_is_seen_of_it() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    message = _edited(additional_kwargs={"tool_calls": [call]})
    found = packed([message], SERDE)
    assert found is not None
    made, frozen = revived(found) or ([], [])
    assert (
        made[0].tool_calls
        == thaw(frozen)[0].tool_calls
        == SERDE.loads_typed(SERDE.dumps_typed([message]))[0].tool_calls
    )
    assert made[0].tool_calls[0]["name"] == "add"
