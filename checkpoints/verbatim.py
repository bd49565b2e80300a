"""Reading stored values without rebuilding them, for whoever carries them from one place to another."""

from __future__ import annotations

from typing import Any

import ormsgpack
from langgraph.checkpoint.serde.jsonplus import EXT_DELTA_SNAPSHOT
from langgraph.checkpoint.serde.types import _DeltaSnapshot

_READING = ormsgpack.OPT_NON_STR_KEYS
_WRITING = ormsgpack.OPT_NON_STR_KEYS | ormsgpack.OPT_REPLACE_SURROGATES


class VerbatimSerializer:
    """An object stays the bytes it was stored as, so that no type has to be allowed and no code of it runs.

    Only lists, dicts and a DeltaChannel's snapshots are taken apart. What is no msgpack is a `ValueError`.
    """

    def dumps_typed(self, value: Any) -> tuple[str, bytes]:
        match value:
            case None:
                return "null", b""
            case bytes():
                return "bytes", value
            case bytearray():
                return "bytearray", bytes(value)
        return "msgpack", ormsgpack.packb(value, default=_snapshot_packed, option=_WRITING)

    def loads_typed(self, typed: tuple[str, bytes]) -> Any:
        kind, data = typed
        match kind:
            case "msgpack":
                return ormsgpack.unpackb(data, ext_hook=_unpacked, option=_READING)
            case "null":
                return None
            case "bytes":
                return data
            case "bytearray":
                return bytearray(data)
        raise ValueError(f"a value is stored as {kind!r}, which only the serializer that wrote it can read")


def _unpacked(code: int, data: bytes) -> Any:
    if code == EXT_DELTA_SNAPSHOT:
        return _DeltaSnapshot(ormsgpack.unpackb(data, ext_hook=_unpacked, option=_READING))
    return ormsgpack.Ext(code, data)


def _snapshot_packed(value: Any) -> Any:
    if isinstance(value, _DeltaSnapshot):
        packed = ormsgpack.packb(value.value, default=_snapshot_packed, option=_WRITING)
        return ormsgpack.Ext(EXT_DELTA_SNAPSHOT, packed)
    raise TypeError(f"a {type(value).__name__} was not expected in what is stored")
