"""langchain-core's messages, between their own fields and the bytes that LangGraph's serializer stores.

It stores a message as an extension: its class, and what `model_dump` says. Of the four classes that a chat is made of
these are the fields as they are, and those are packed anyway, to see whether they change: so they are packed once.
Reading them back is the serializer's own way too, the class called with its fields, without looking the class up.
"""

from collections.abc import Sequence
from typing import Any

import ormsgpack
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import EXT_PYDANTIC_V2, JsonPlusSerializer

from checkpoints.items import MOST, Frozen, UnpackableError, array_header, pack_plain

Packed = tuple[type, bytes]  # a message's class, and its fields

_KINDS: tuple[type[BaseMessage], ...] = (HumanMessage, AIMessage, SystemMessage, ToolMessage)
_FIELDS: dict[type, frozenset[str]] = {kind: frozenset(kind.model_fields) for kind in _KINDS}
_BEGINNINGS: dict[type, bytes] = {
    kind: b"\x94" + ormsgpack.packb(kind.__module__) + ormsgpack.packb(kind.__name__) for kind in _FIELDS
}
_END = ormsgpack.packb("model_validate_json")
_REFUSED = (ValueError, TypeError, KeyError, AttributeError)  # what a class may say of fields that were edited in place


def packed(items: Sequence[Any], serde: SerializerProtocol) -> list[Packed] | None:
    """Such messages; None if the serializer would store anything but their fields for one of these items."""
    if type(serde) is not JsonPlusSerializer or len(items) > MOST:
        return None
    for item in items:
        fields = _FIELDS.get(type(item))
        if fields is None or item.__dict__.keys() != fields or item.__pydantic_extra__ or item.__pydantic_private__:
            return None
    try:
        return list(zip(map(type, items), pack_plain(items), strict=True))
    except UnpackableError:
        return None


def dumped(messages: Sequence[Packed]) -> bytes:
    """What the serializer makes of a list of them."""
    parts = [array_header(len(messages))]
    for kind, fields in messages:
        content = _BEGINNINGS[kind] + fields + _END
        parts += (_extension_header(len(content)), content)
    return b"".join(parts)


def revived(messages: Sequence[Packed]) -> tuple[list[Any], list[Frozen]] | None:
    """The messages as the serializer would load them, and frozen as they are then; None if that is left to it."""
    if len(messages) > MOST:
        return None
    contents = ormsgpack.unpackb(
        array_header(len(messages)) + b"".join([fields for _, fields in messages]), option=ormsgpack.OPT_NON_STR_KEYS
    )
    try:
        made = [kind(**content) for (kind, _), content in zip(messages, contents, strict=True)]
        if any(message.__pydantic_private__ for message in made):
            return None
        return made, [Frozen(message, data, True) for message, data in zip(made, pack_plain(made), strict=True)]
    except _REFUSED:
        return None


def _extension_header(length: int) -> bytes:
    """The same before an extension whose content, for it names a class, is longer than 16 bytes."""
    if length <= 0xFF:
        return bytes((0xC7, length, EXT_PYDANTIC_V2))
    if length <= 0xFFFF:
        return b"\xc8" + length.to_bytes(2, "big") + bytes((EXT_PYDANTIC_V2,))
    return b"\xc9" + length.to_bytes(4, "big") + bytes((EXT_PYDANTIC_V2,))
