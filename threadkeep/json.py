"""JSON as the API speaks it: LangChain messages, pydantic values, dataclasses and whatever a graph puts in its state.

Values that JSON lacks are written as the reference server writes them: a Decimal as a number, bytes as base64, a
timedelta as seconds, paths, patterns and addresses as text. What has no such form (any other object, a number that is
none) becomes `null`; a lone surrogate becomes `?`, so that one bad token from a model never kills a stream.
"""

from __future__ import annotations

import dataclasses
import json
from base64 import b64encode
from collections import deque
from collections.abc import Mapping, Set
from datetime import timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from re import Pattern
from typing import Any

import orjson
from langchain_core import messages
from langgraph.types import Send
from pydantic import BaseModel

from threadkeep.errors import said_by

# Dataclasses are ours to take apart: a slot that was never set ends the whole process inside of orjson 3.13.
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATACLASS
LEAST_WHOLE, MOST_WHOLE = -(2**63), 2**64 - 1
"""Whole numbers in between are read back as they were written."""

# Nothing of these is written otherwise than it stands there, so that `model_dump`, which takes ten times as long to
# come to the same, is not asked. A subclass may have ideas of its own. What is in an artifact is written as it would be
# anywhere else in a state.
_PLAIN_MESSAGES = frozenset(
    {
        messages.AIMessage,
        messages.AIMessageChunk,
        messages.ChatMessage,
        messages.FunctionMessage,
        messages.HumanMessage,
        messages.RemoveMessage,
        messages.SystemMessage,
        messages.ToolMessage,
    }
)

_WRITTEN_AS_TEXT = (PurePath, IPv4Address, IPv4Network, IPv6Address, IPv6Network, complex, tzinfo)
_WHOLE_BELOW = 2**63  # what the encoder takes as an integer


def dumps(value: Any) -> bytes:
    """Encode anything a graph or a record holds; never raises for what merely has no JSON form.

    `loads` takes whatever this writes. A whole number past 64 bits is written as the nearest fraction, as every client
    in JavaScript has it, and one that no fraction reaches as the text of its digits.
    """
    try:
        return orjson.dumps(value, default=_jsonable, option=_OPTIONS)
    except TypeError:
        # Lone surrogates, integers past 64 bits, exotic keys, cycles: rare, so the slow way may be slow.
        return json.dumps(_plain(value, ()), ensure_ascii=False).encode("utf-8", errors="replace")


def dumps_to_keep(value: Any) -> bytes:
    """The same in no more memory than it takes: the encoder leaves bytes in the buffer that they were written to."""
    return bytes(memoryview(dumps(value)))


def dumps_text(value: Any) -> str:
    return dumps(value).decode()


loads = orjson.loads


def to_jsonable(value: Any) -> Any:
    """The plain dicts, lists and scalars that `dumps` would write."""
    return loads(dumps(value))


def _jsonable(value: Any) -> Any:
    """What the encoder does not know, as something it does; null for what has no form, or fails at giving it."""
    if type(value) in _PLAIN_MESSAGES:
        return {**value.__dict__, **value.__pydantic_extra__} if value.__pydantic_extra__ else value.__dict__
    try:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _attributes(value)
        return _collection(value) if isinstance(value, Mapping | Set | deque | tuple) else _single(value)
    except Exception:  # noqa: BLE001 - somebody's own class, whose methods may raise whatever they like
        return None


def _collection(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return dict(value._asdict())
    return dict(value) if isinstance(value, Mapping) else list(value)


def _attributes(record: Any) -> dict[str, Any]:
    """What a dataclass holds under public names."""
    held = getattr(record, "__dict__", None)
    if not held:
        fields = (field.name for field in dataclasses.fields(record))
        held = {name: getattr(record, name) for name in fields if hasattr(record, name)}
    return {name: item for name, item in held.items() if not name.startswith("_")}


def _single(value: Any) -> Any:
    match value:
        case type():
            return None
        case BaseModel():
            return value.model_dump()
        case BaseException():
            return {"error": type(value).__name__, "message": _text(value)}
        case Send():
            return {"node": value.node, "args": value.arg}
        case Decimal():
            return _number(value)
        case bytes() | bytearray() | memoryview():
            return b64encode(bytes(value)).decode()
        case timedelta():
            return value.total_seconds()
        case Pattern():
            return value.pattern
        case _ if isinstance(value, _WRITTEN_AS_TEXT):
            return str(value)
        case _:
            return dict(value._asdict()) if hasattr(value, "_asdict") else None


def _number(value: Decimal) -> int | float:
    """Whole where it is written without a fraction, so that an amount in cents keeps all its digits."""
    whole = value.as_tuple().exponent == 0 and abs(value) < _WHOLE_BELOW
    return int(value) if whole else float(value)


def _text(value: Any) -> str:
    return said_by(value, otherwise=f"<{type(value).__name__}>")


def _plain(value: Any, seen: tuple[int, ...]) -> Any:
    """The value in what `json` writes by itself, the same that the encoder would have made of it."""
    if isinstance(value, str):
        return value.encode("utf-8", errors="replace").decode() if _has_surrogate(value) else value
    if value is None or isinstance(value, float):
        return None if value is None or value != value or abs(value) == float("inf") else value
    if isinstance(value, int):
        return value if LEAST_WHOLE <= value <= MOST_WHOLE else _past_64_bits(value)
    if id(value) in seen:
        return None
    within = (*seen, id(value))
    if isinstance(value, dict):
        return {_key(key): _plain(item, within) for key, item in value.items()}
    if isinstance(value, list) or type(value) is tuple:
        return [_plain(item, within) for item in value]
    if isinstance(value, Enum):
        return _plain(value.value, within)
    return _plain(_scalar(value), within)


def _key(key: Any) -> str:
    """A key, which JSON has as text: what is one value stands there as it would elsewhere, all else as its `str`."""
    if type(key) is int:
        return _digits(key)
    form = _plain(key, ())
    if isinstance(form, str):
        return form
    if key is None or isinstance(key, float) or isinstance(form, bool | int | float):
        return dumps_text(form)
    text: str = _plain(_text(key), ())
    return text


def _past_64_bits(number: int) -> float | str:
    try:
        return float(number)
    except OverflowError:
        return _digits(number)


def _digits(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # more digits than Python is willing to write
        return hex(number)


def _scalar(value: Any) -> Any:
    """What orjson writes natively for dates, uuids and numpy values, or what `_jsonable` makes of the rest."""
    try:
        return orjson.loads(orjson.dumps(value, option=_OPTIONS))
    except TypeError:
        return _jsonable(value)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
