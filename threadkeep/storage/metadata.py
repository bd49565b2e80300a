"""Metadata as an indexed side table: every leaf of the JSON object is one (path, value) pair.

A filter means containment, as Postgres' `@>` has it: every leaf of the filter must be among the leaves of the row. Then
a filtered search, and its true total, is an index look-up however many rows there are. Array elements share one path
(`[]`), so `{"tags": ["a"]}` finds every row whose tags hold "a"; arrays of objects are matched leaf by leaf.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from threadkeep import json
from threadkeep.callers import Caller
from threadkeep.storage.connection import Connection
from threadkeep.storage.dialect import Dialect

_ARRAY = "[]"
_MOST_LEVELS = 64
_MOST_VALUES = 10_000
_MOST_BYTES = 1_000_000


def excess_of(metadata: dict[str, Any]) -> str | None:
    """In words, why it is too much to be indexed leaf by leaf, or nested too deeply to be compared."""
    level: list[Any] = [metadata]
    levels = values = 0
    while level:
        found = [item for box in level for item in (box.values() if isinstance(box, dict) else box)]
        values += len(found)
        if values > _MOST_VALUES:
            return f"holds more than {_MOST_VALUES} values"
        if found and levels == _MOST_LEVELS:
            return f"is nested more than {_MOST_LEVELS} levels deep"
        level, levels = [item for item in found if isinstance(item, dict | list)], levels + 1
    return f"is larger than {_MOST_BYTES} bytes" if len(json.dumps(metadata)) > _MOST_BYTES else None


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Each leaf as (JSON array of keys, JSON value); an empty object or array is a leaf of its own."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, str(key)))
    elif isinstance(value, list) and value:
        for item in value:
            yield from leaves(item, (*path, _ARRAY))
    else:
        yield json.dumps_text(path), json.dumps_text(value)


def store_leaves(connection: Connection, thread_id: str, metadata: dict[str, Any]) -> None:
    connection.execute("DELETE FROM thread_metadata WHERE thread_id = ?", (thread_id,))
    shorten = connection.dialect.short_leaf
    rows = {(*shorten(path, value), thread_id) for path, value in leaves(metadata) if path != "[]"}
    if rows:
        connection.executemany("INSERT INTO thread_metadata (path, value, thread_id) VALUES (?, ?, ?)", sorted(rows))


Leaf = tuple[str, str]


def wanted_leaves(metadata: dict[str, Any], dialect: Dialect) -> list[Leaf]:
    """What a filter asks for, leaf by leaf; everything contains an empty object."""
    return [dialect.short_leaf(path, value) for path, value in leaves(metadata) if value not in ("{}", "[]")]


def has_leaf(*, common: bool) -> str:
    """An SQL condition on a `threads` row for one leaf, bound to its path and value.

    A rare leaf is the place to begin with: its threads are looked up. One that many threads have is looked up for each
    thread that the rest of the query comes to, in the order that is asked for.
    """
    if common:
        return """EXISTS (SELECT 1 FROM thread_metadata AS leaf
                          WHERE leaf.path = ? AND leaf.value = ? AND leaf.thread_id = threads.thread_id)"""
    return "thread_id IN (SELECT thread_id FROM thread_metadata WHERE path = ? AND value = ?)"


def has_leaves(number: int) -> str:
    """The same for so many leaves at once, bound to each one's path and value, and to their number."""
    some = ", ".join(["(?, ?)"] * number)
    return f"""thread_id IN (SELECT thread_id FROM thread_metadata WHERE (path, value) IN (VALUES {some})
                             GROUP BY thread_id HAVING count(*) = ?)"""


def visible(owner: str | None, metadata: dict[str, Any], caller: Caller) -> bool:
    """Whether a row is there for this caller: its owner's, and with the metadata that the caller's rows must have."""
    return caller.owns(owner) and (not caller.filters or contains(metadata, dict(caller.filters)))


def contains(row: Any, wanted: Any) -> bool:
    """Containment of one JSON value in another, for rows that are few enough to look at one by one."""
    if isinstance(wanted, dict):
        return isinstance(row, dict) and all(key in row and contains(row[key], item) for key, item in wanted.items())
    if isinstance(wanted, list):
        return isinstance(row, list) and all(any(contains(have, item) for have in row) for item in wanted)
    return bool(row == wanted) and type(row) is type(wanted)
