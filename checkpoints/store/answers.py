"""What an operation answers, made from rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from langgraph.store.base import Item, SearchItem

from checkpoints.store.table import Row
from checkpoints.store.values import decode

_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """A moment as it is stored."""
    return (moment - _START) // _MICROSECOND


def item_of(row: Row) -> Item:
    return Item(**_fields(row))


def found_item(row: Row, score: float | None) -> SearchItem:
    return SearchItem(**_fields(row), score=score)


def _fields(row: Row) -> dict[str, Any]:
    return {
        "namespace": row.namespace,
        "key": row.key,
        "value": decode(row.value),
        "created_at": _START + row.created_at * _MICROSECOND,
        "updated_at": _START + row.updated_at * _MICROSECOND,
    }
