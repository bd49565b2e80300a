"""What a search finds: everything under a namespace that the filter lets through, the last put first.

With an embedded query the nearest come first, and what has no embedding after them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import apsw
from langgraph.store.base import SearchOp

from checkpoints.store import table
from checkpoints.store.filters import matches
from checkpoints.store.nearness import Vectors, scores
from checkpoints.store.values import decode

_VECTORS_AT_A_TIME = 2_000
_LAST = float("inf")


@dataclass(frozen=True, slots=True)
class Hit:
    row: table.Row
    score: float | None = None


def search(connection: apsw.Connection, op: SearchOp, query: Vectors | None, now: int) -> list[Hit]:
    prefix, page = op.namespace_prefix, slice(op.offset, op.offset + op.limit)
    if query is None:
        if not op.filter:
            ids = table.newest(connection, prefix, now, limit=op.limit, offset=op.offset)
            return [Hit(row) for row in table.rows(connection, ids)]
        return [Hit(row) for row in islice(_candidates(connection, op, now), page.start, page.stop)]
    ids = [row.id for row in _candidates(connection, op, now)] if op.filter else table.newest(connection, prefix, now)
    near = scores(query, table.vectors(connection, ids, at_a_time=_VECTORS_AT_A_TIME))
    # A stable sort: equally near, or without an embedding, the last put comes first.
    ranked = sorted(ids, key=lambda row_id: -near[row_id] if row_id in near else _LAST)
    return [Hit(row, near.get(row.id)) for row in table.rows(connection, ranked[page])]


def _candidates(connection: apsw.Connection, op: SearchOp, now: int) -> Iterator[table.Row]:
    for row in table.rows(connection, table.newest(connection, op.namespace_prefix, now)):
        if matches(decode(row.value), op.filter or {}):
            yield row
