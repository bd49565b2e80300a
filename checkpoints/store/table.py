"""The file format of `items.db` and all SQL of the store. Times are microseconds since 1970, UTC.

    item     one store item; `changed` grows with every put, whatever the clock says; `indexed` is the put's own choice
             of fields to embed as JSON (null: the configured ones, false: none)
    vector   an item's embeddings, one after the other, as 32-bit floats of length 1
    fact     what the vectors were made with

There is no owner here: LangGraph's stores know none. Whoever lets callers in keeps them to namespaces of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import apsw
import orjson

from checkpoints.schema import FileFormatError
from checkpoints.store.namespaces import Namespace, from_text, text_range, to_text

APPLICATION_ID = 0x546B6974  # "Tkit"
FORMAT = 1

Stored: TypeAlias = bytes | str
"""A value as JSON: bytes as orjson reads and writes it, text where it holds whole numbers too big for that."""

_TABLES = """
CREATE TABLE item (
    id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, ttl_minutes REAL, expires_at INTEGER,
    changed INTEGER NOT NULL, indexed TEXT NOT NULL, UNIQUE (namespace, key));
CREATE INDEX item_by_change ON item (namespace, changed, expires_at);
CREATE INDEX item_by_expiry ON item (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE vector (item INTEGER PRIMARY KEY REFERENCES item ON DELETE CASCADE, data BLOB NOT NULL);
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_COLUMNS = "id, namespace, key, value, created_at, updated_at, ttl_minutes"
_ALIVE = "(expires_at IS NULL OR expires_at > ?)"
_PUT = """
INSERT INTO item (namespace, key, value, created_at, updated_at, ttl_minutes, expires_at, changed, indexed)
VALUES (:namespace, :key, :value, :created, :now, :ttl, :expires, :changed, :indexed)
ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at,
    created_at = iif(expires_at <= :now, excluded.created_at, created_at), ttl_minutes = excluded.ttl_minutes,
    expires_at = excluded.expires_at, changed = excluded.changed, indexed = excluded.indexed
"""
_SWEPT_AT_A_TIME = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    id: int
    namespace: Namespace
    key: str
    value: Stored
    created_at: int
    updated_at: int
    ttl_minutes: float | None


@dataclass(frozen=True, slots=True)
class NewItem:
    """What a put stores."""

    namespace: Namespace
    key: str
    value: Stored
    ttl_minutes: float | None = None
    indexed: str = "null"


def prepare(connection: apsw.Connection, path: Path) -> None:
    """Make the tables in an empty file; `FileFormatError` for a file of another kind or a newer version."""
    if connection.pragma("application_id") == APPLICATION_ID:
        if (version := connection.pragma("user_version")) != FORMAT:
            raise FileFormatError(f"{path} has store format {version}; this version reads {FORMAT}")
        return
    if connection.execute("SELECT count(*) FROM sqlite_schema").get:
        raise FileFormatError(f"{path} is a database of another application")
    connection.execute(_TABLES)
    connection.pragma("application_id", APPLICATION_ID)
    connection.pragma("user_version", FORMAT)


def expiry(now: int, ttl_minutes: float | None) -> int | None:
    return None if ttl_minutes is None else now + round(ttl_minutes * 60_000_000)


def last_change(connection: apsw.Connection) -> int:
    return int(connection.execute("SELECT ifnull(max(changed), 0) FROM item").get)


def put(connection: apsw.Connection, item: NewItem, vectors: bytes, now: int, changed: int) -> None:
    """Store the item with its embeddings; one that is there and has not expired keeps when it was created."""
    times = {"created": now, "now": now, "expires": expiry(now, item.ttl_minutes)}
    returned: list[Any] = connection.execute(_PUT + "RETURNING id", _arguments(item, changed) | times).fetchall()
    set_vectors(connection, returned[0][0], vectors)


def put_as_it_was(
    connection: apsw.Connection, item: NewItem, changed: int, *, created: int, updated: int, expires: int | None
) -> None:
    """Store an item of another store with its own times, unless the one that is there was changed later."""
    times = {"created": created, "now": updated, "expires": expires}
    connection.execute(_PUT + "WHERE updated_at < excluded.updated_at", _arguments(item, changed) | times)


def _arguments(item: NewItem, changed: int) -> dict[str, Any]:
    return {
        "namespace": to_text(item.namespace),
        "key": item.key,
        "value": item.value,
        "ttl": item.ttl_minutes,
        "changed": changed,
        "indexed": item.indexed,
    }


def set_vectors(connection: apsw.Connection, row_id: int, vectors: bytes) -> None:
    if vectors:
        connection.execute("INSERT OR REPLACE INTO vector VALUES (?, ?)", (row_id, vectors))
    else:
        connection.execute("DELETE FROM vector WHERE item = ?", (row_id,))


def delete(connection: apsw.Connection, namespace: Namespace, key: str) -> None:
    connection.execute("DELETE FROM item WHERE namespace = ? AND key = ?", (to_text(namespace), key))


def get(connection: apsw.Connection, namespace: Namespace, key: str, now: int) -> Row | None:
    query = f"SELECT {_COLUMNS} FROM item WHERE namespace = ? AND key = ? AND {_ALIVE}"
    found = connection.execute(query, (to_text(namespace), key, now)).fetchone()
    return None if found is None else _row(found)


def newest(
    connection: apsw.Connection, prefix: Sequence[str], now: int, *, limit: int = -1, offset: int = 0
) -> list[int]:
    """The ids of what stands under a namespace, last put first."""
    query = f"""SELECT id FROM item WHERE namespace >= ? AND namespace < ? AND {_ALIVE}
                ORDER BY changed DESC LIMIT ? OFFSET ?"""
    return [row_id for (row_id,) in connection.execute(query, (*text_range(prefix), now, limit, offset))]


def rows(connection: apsw.Connection, ids: Iterable[int]) -> Iterator[Row]:
    """The rows in the order of their ids given, one at a time."""
    query = f"SELECT {_COLUMNS} FROM item WHERE id = ?"
    for row_id in ids:
        yield from map(_row, connection.execute(query, (row_id,)))


def vectors(connection: apsw.Connection, ids: Sequence[int], *, at_a_time: int) -> Iterator[list[tuple[int, bytes]]]:
    """Pages of (item's id, its vectors' bytes), of those that have any."""
    query = "SELECT item, data FROM vector WHERE item IN (SELECT value FROM json_each(?))"
    remaining = iter(ids)
    while page := list(islice(remaining, at_a_time)):
        found: list[Any] = connection.execute(query, (orjson.dumps(page).decode(),)).fetchall()
        yield found


def namespaces(connection: apsw.Connection, prefix: Sequence[str], now: int) -> list[Namespace]:
    """Each namespace that holds an item, under a prefix."""
    query = f"SELECT DISTINCT namespace FROM item WHERE namespace >= ? AND namespace < ? AND {_ALIVE}"
    return [from_text(text) for (text,) in connection.execute(query, (*text_range(prefix), now))]


def refresh(connection: apsw.Connection, ids: Iterable[int], now: int) -> None:
    """Start the time to live anew, of those that have one and have not expired."""
    connection.executemany(
        """UPDATE item SET expires_at = :now + CAST(round(ttl_minutes * 60000000) AS INTEGER)
           WHERE id = :id AND expires_at > :now""",
        [{"id": row_id, "now": now} for row_id in ids],
    )


def sweep(connection: apsw.Connection, now: int) -> int:
    """Remove some of what has expired; how many, 0 when nothing is left."""
    connection.execute(
        "DELETE FROM item WHERE id IN (SELECT id FROM item WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        (now, _SWEPT_AT_A_TIME),
    )
    return connection.changes()


def facts(connection: apsw.Connection) -> dict[str, str]:
    """What the stored vectors were made with; empty when there are none."""
    if connection.execute("SELECT 1 FROM vector LIMIT 1").fetchone() is None:
        return {}
    found: list[Any] = connection.execute("SELECT name, value FROM fact").fetchall()
    return dict(found)


def note_facts(connection: apsw.Connection, known: dict[str, str]) -> None:
    connection.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", list(known.items()))


def all_indexed(connection: apsw.Connection, now: int) -> list[tuple[int, str]]:
    """Of every item that is meant to be found by meaning: its id, and its put's own choice of fields."""
    query = f"SELECT id, indexed FROM item WHERE indexed != 'false' AND {_ALIVE} ORDER BY id"
    found: list[Any] = connection.execute(query, (now,)).fetchall()
    return found


def forget_vectors(connection: apsw.Connection) -> None:
    connection.execute("DELETE FROM vector")


def _row(found: tuple[Any, ...]) -> Row:
    row_id, namespace, key, value, created_at, updated_at, ttl_minutes = found
    return Row(row_id, from_text(namespace), key, value, created_at, updated_at, ttl_minutes)
