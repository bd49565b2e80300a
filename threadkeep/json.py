"""JSON as the API speaks it: LangChain messages, pydantic values, dataclasses and whatever a graph puts in its state.

What JSON cannot say becomes `null`, as the reference server has it; a lone surrogate becomes `?`, so that one bad
token from a model never kills a stream.
"""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from collections.abc import Mapping, Set
from typing import Any

import orjson
from langchain_core import messages
from pydantic import BaseModel

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY

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


def dumps(value: Any) -> bytes:
    """Encode anything a graph or a record holds; never raises for what merely has no JSON form."""
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
    if type(value) in _PLAIN_MESSAGES:
        return {**value.__dict__, **value.__pydantic_extra__} if value.__pydantic_extra__ else value.__dict__
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Set | deque | tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, type):
        return None
    if hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, BaseException):
        return {"error": type(value).__name__, "message": str(value)}
    return None


def _plain(value: Any, seen: tuple[int, ...]) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", errors="replace").decode() if _has_surrogate(value) else value
    if value is None or isinstance(value, bool | int | float):
        return None if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value
    if id(value) in seen:
        return None
    within = (*seen, id(value))
    if isinstance(value, Mapping):
        return {_plain(str(key), within): _plain(item, within) for key, item in value.items()}
    if isinstance(value, list | tuple | Set | deque):
        return [_plain(item, within) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), within) for field in dataclasses.fields(value)}
    return _plain(_scalar(value), within)


def _scalar(value: Any) -> Any:
    """What orjson writes natively for dates, uuids, enums and numpy values, or what `_jsonable` makes of the rest."""
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
