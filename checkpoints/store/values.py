"""An item's value as the JSON that stands in the file, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from checkpoints.store.table import Stored


def encode(value: Any, key: str) -> Stored:
    """What orjson makes of it (dates, UUIDs and dataclasses become JSON); `TypeError` says what has no JSON form."""
    if not isinstance(value, Mapping):
        raise TypeError(f"The value of item {key!r} must be a dict, not {type(value).__name__}.")
    try:
        return orjson.dumps(dict(value))
    except TypeError as error:
        if "64-bit" in str(error):  # orjson's word for a whole number past its range
            return json.dumps(value, ensure_ascii=False)
        raise TypeError(f"The value of item {key!r} cannot be stored as JSON: {error}.") from error


def decode(stored: Stored) -> Any:
    return json.loads(stored) if isinstance(stored, str) else orjson.loads(stored)
