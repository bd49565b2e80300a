"""Exact memory of a list's items: has any of them changed, even in place, and fresh copies of them at once.

An item is remembered as the bytes of its content. Packing a message's own fields costs a tenth of serializing the
message, so every item is packed again and compared at every super-step: an attribute set, a key added deep inside, a
class swapped all show. What is handed out is rebuilt from those bytes, so no two readers ever share an object.

Only what can be rebuilt without asking a serializer's allow-list is handed out from here: trees of plain values, and
langchain-core's messages and documents. Everything else is left to the serializer, on the bytes in the file.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import repeat
from operator import attrgetter
from typing import Any

import ormsgpack
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import BaseModel

_OPTIONS = (
    ormsgpack.OPT_NON_STR_KEYS
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_UUID
    | ormsgpack.OPT_REPLACE_SURROGATES
)
CHUNK = 64  # items packed in one call
MOST = 0xFFFF  # items in an array whose header is made here
_FOREIGN = 1  # the extension code for what msgpack does not know by itself
_SERIALIZER = JsonPlusSerializer()

_fields = attrgetter("__dict__")
_extra = attrgetter("__pydantic_extra__")
_set_fields, _set_fields_set, _set_extra, _set_private = (
    BaseModel.__dict__[slot].__set__
    for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)


class UnpackableError(TypeError):
    """The value holds something that cannot be remembered as bytes."""


@cache
def is_record(kind: type) -> bool:
    """Whether the class is one of langchain-core's own messages or documents: all its content is in its fields."""
    return issubclass(kind, BaseMessage | Document) and kind.__module__.startswith("langchain_core.")


def pack_each(items: Sequence[Any]) -> list[bytes]:
    """The bytes each item is remembered by; raises UnpackableError."""
    return [_encode(content) for content in _contents(items)]


def pack_plain(records: Sequence[Any]) -> list[bytes]:
    """The same of records whose fields are plain values, down to the last; raises UnpackableError for others."""
    return [_encode(record.__dict__, _refuse_foreign) for record in records]


def same_front(items: Sequence[Any], kinds: Sequence[type], prints: Sequence[bytes], known: int = 0) -> int:
    """How many items from the front are what `kinds` and `prints` remember, in whole chunks after the `known` ones."""
    shorter = min(len(items), len(prints))
    for start in range(known, shorter, CHUNK):
        stop = min(start + CHUNK, shorter)
        chunk = items[start:stop]
        if list(map(type, chunk)) != kinds[start:stop]:
            return start
        if _encode(_contents(chunk)) != array_header(len(chunk)) + b"".join(prints[start:stop]):
            return start
    return shorter


def array_header(count: int) -> bytes:
    """What msgpack puts before the items of a list of at most `MOST`."""
    return bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")


def _contents(items: Sequence[Any]) -> list[Any]:
    if all(map(is_record, set(map(type, items)))) and not any(map(_extra, items)):
        return list(map(_fields, items))
    return [item.__dict__ if is_record(item.__class__) and not item.__pydantic_extra__ else item for item in items]


def _encode(content: Any, default: Callable[[Any], Any] | None = None) -> bytes:
    try:
        return ormsgpack.packb(content, default=default or _pack_foreign, option=_OPTIONS)
    except (TypeError, ValueError) as unknown:
        raise UnpackableError(str(unknown)) from unknown


def _pack_foreign(value: Any) -> ormsgpack.Ext:
    return ormsgpack.Ext(_FOREIGN, _SERIALIZER.dumps_typed(value)[1])


def _refuse_foreign(value: Any) -> Any:
    raise TypeError(type(value))


_NO_FIELDS: frozenset[str] = frozenset()


@lru_cache(maxsize=256)
def _shared(names: frozenset[str]) -> frozenset[str]:
    """One set for all messages that have the same fields: as many bytes as a short message's text."""
    return names


class Frozen:
    """One item as it comes back from the file, kept as bytes; `thaw` makes a new object of it each time."""

    __slots__ = ("data", "fields_set", "kind", "open")

    def __init__(self, item: Any, data: bytes, is_record: bool) -> None:
        self.data = data
        self.kind: type | None = type(item) if is_record else None
        self.fields_set = _shared(frozenset(item.__pydantic_fields_set__)) if is_record else _NO_FIELDS
        self.open = is_record and item.__pydantic_extra__ is not None  # takes fields its class does not name


def thaw(items: Sequence[Frozen]) -> list[Any]:
    """New objects equal to what the serializer would load, without running a validator.

    A record's slots are filled the way pydantic's own `__setstate__` does it. Whole chunks go through C loops: at
    4,000 messages this is what a run waits for before it starts.
    """
    thawed: list[Any] = []
    for start in range(0, len(items), CHUNK):
        chunk = items[start : start + CHUNK]
        packed = array_header(len(chunk)) + b"".join([item.data for item in chunk])
        contents = ormsgpack.unpackb(packed, option=ormsgpack.OPT_NON_STR_KEYS)
        if all(item.kind for item in chunk):
            thawed += _records(chunk, contents)
        else:
            for item, content in zip(chunk, contents, strict=True):
                thawed += _records([item], [content]) if item.kind else [content]
    return thawed


def _records(items: Sequence[Frozen], contents: Sequence[dict[str, Any]]) -> list[Any]:
    records: list[Any] = list(map(object.__new__, [item.kind for item in items]))  # type: ignore[arg-type]
    deque(map(_set_fields, records, contents), maxlen=0)
    deque(map(_set_fields_set, records, [set(item.fields_set) for item in items]), maxlen=0)
    deque(map(_set_extra, records, [{} if item.open else None for item in items]), maxlen=0)
    deque(map(_set_private, records, repeat(None)), maxlen=0)
    return records


def freeze(stored: bytes, loaded: Sequence[Any]) -> list[Frozen] | None:
    """What can be kept of items just loaded from `stored` msgpack; None if any of them needs its serializer again."""
    if not _is_plain(stored):
        return None
    frozen: list[Frozen] = []
    for item, content in zip(loaded, _contents(loaded), strict=True):
        record = is_record(item.__class__)
        if record and (content is item or item.__pydantic_private__):
            return None
        try:
            frozen.append(Frozen(item, _encode(content, _refuse_foreign), content is not item))
        except UnpackableError:
            return None
    return frozen


def _is_plain(stored: bytes) -> bool:
    """Whether the stored items are plain trees or records of plain trees: nothing an allow-list would decide about."""

    def inside(code: int, data: bytes) -> Any:
        raise ValueError(code)

    def outermost(code: int, data: bytes) -> Any:
        module, *_ = ormsgpack.unpackb(data, ext_hook=inside, option=ormsgpack.OPT_NON_STR_KEYS)
        if not str(module).startswith("langchain_core."):
            raise ValueError(code)
        return None

    try:
        ormsgpack.unpackb(stored, ext_hook=outermost, option=ormsgpack.OPT_NON_STR_KEYS)
    except ValueError:
        return False
    return True
