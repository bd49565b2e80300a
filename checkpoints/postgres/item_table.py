"""The store's tables in PostgreSQL and all SQL on them. Times are microseconds since 1970, UTC.

    store_item          one item; `namespace` is its labels with a period after each, `value` its JSON, `changed` grows
                        with every put of any server, `indexed` is the put's own choice of fields to embed as JSON
    store_item_vector   an item's embeddings, one after the other, as 32-bit floats of length 1
    store_item_fact     what the vectors were made with

They are not the tables of LangGraph's store, which answers items past their time until they are swept, needs an
extension to search by meaning, and refuses a NUL in a value: a change of database would change what callers see.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from checkpoints.postgres.pool import Cursor
from checkpoints.store.namespaces import Namespace, from_text, text_range, to_text
from checkpoints.store.table import NewItem, Row, expiry

# Compared byte by byte, so that all under a namespace is one range: nothing in a label sorts after its end.
MIGRATIONS = (
    "CREATE SEQUENCE store_item_change",
    """CREATE TABLE store_item (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        namespace TEXT COLLATE "C" NOT NULL, key TEXT COLLATE "C" NOT NULL, value TEXT NOT NULL,
        created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, ttl_minutes DOUBLE PRECISION, expires_at BIGINT,
        changed BIGINT NOT NULL DEFAULT nextval('store_item_change'), indexed TEXT NOT NULL,
        UNIQUE (namespace, key))""",
    "CREATE INDEX store_item_by_change ON store_item (changed)",
    "CREATE INDEX store_item_by_expiry ON store_item (expires_at) WHERE expires_at IS NOT NULL",
    """CREATE TABLE store_item_vector (
        item BIGINT PRIMARY KEY REFERENCES store_item ON DELETE CASCADE, data BYTEA NOT NULL)""",
    "CREATE TABLE store_item_fact (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)

_COLUMNS = "id, namespace, key, value, created_at, updated_at, ttl_minutes"
_UNDER = "(namespace >= %s AND namespace < %s OR %s) AND (expires_at IS NULL OR expires_at > %s)"
_PUT = """
INSERT INTO store_item AS old (namespace, key, value, created_at, updated_at, ttl_minutes, expires_at, indexed)
VALUES (%(namespace)s, %(key)s, %(value)s, %(now)s, %(now)s, %(ttl)s, %(expires)s, %(indexed)s)
ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at,
    created_at = CASE WHEN old.expires_at <= %(now)s THEN excluded.created_at ELSE old.created_at END,
    ttl_minutes = excluded.ttl_minutes, expires_at = excluded.expires_at, changed = excluded.changed,
    indexed = excluded.indexed
RETURNING id
"""
_SWEPT_AT_A_TIME = 1_000
_AT_A_TIME = 500
_NEVER_REACHED = 2**63 - 1


async def put(cursor: Cursor, item: NewItem, vectors: bytes, now: int) -> None:
    """Store the item with its embeddings; one that is there and has not expired keeps when it was created."""
    arguments = {
        "namespace": to_text(item.namespace),
        "key": item.key,
        "value": item.value.decode() if isinstance(item.value, bytes) else item.value,
        "now": now,
        "ttl": item.ttl_minutes,
        "expires": expiry(now, item.ttl_minutes),
        "indexed": item.indexed,
    }
    await cursor.execute(_PUT, arguments)
    found = await cursor.fetchone()
    assert found is not None
    await set_vectors(cursor, found["id"], vectors)


async def set_vectors(cursor: Cursor, row_id: int, vectors: bytes) -> None:
    if vectors:
        await cursor.execute(
            """INSERT INTO store_item_vector VALUES (%s, %s)
               ON CONFLICT (item) DO UPDATE SET data = excluded.data""",
            (row_id, vectors),
        )
    else:
        await cursor.execute("DELETE FROM store_item_vector WHERE item = %s", (row_id,))


async def delete(cursor: Cursor, namespace: Namespace, key: str) -> None:
    await cursor.execute("DELETE FROM store_item WHERE namespace = %s AND key = %s", (to_text(namespace), key))


async def get(cursor: Cursor, namespace: Namespace, key: str, now: int) -> Row | None:
    await cursor.execute(
        f"""SELECT {_COLUMNS} FROM store_item
            WHERE namespace = %s AND key = %s AND (expires_at IS NULL OR expires_at > %s)""",
        (to_text(namespace), key, now),
    )
    found = await cursor.fetchone()
    return None if found is None else _row(found)


async def newest(cursor: Cursor, prefix: Sequence[str], now: int, *, limit: int, offset: int) -> list[Row]:
    """A page of what stands under a namespace, last put first."""
    await cursor.execute(
        f"SELECT {_COLUMNS} FROM store_item WHERE {_UNDER} ORDER BY changed DESC LIMIT %s OFFSET %s",
        (*_under(prefix, now), limit, offset),
    )
    return [_row(found) for found in await cursor.fetchall()]


async def newest_ids(cursor: Cursor, prefix: Sequence[str], now: int) -> list[int]:
    await cursor.execute(f"SELECT id FROM store_item WHERE {_UNDER} ORDER BY changed DESC", _under(prefix, now))
    return [found["id"] for found in await cursor.fetchall()]


async def every(cursor: Cursor, prefix: Sequence[str], now: int) -> AsyncIterator[Row]:
    """All that stands under a namespace, last put first, read in pages."""
    last = _NEVER_REACHED
    while True:
        await cursor.execute(
            f"""SELECT {_COLUMNS}, changed FROM store_item
                WHERE {_UNDER} AND changed < %s ORDER BY changed DESC LIMIT %s""",
            (*_under(prefix, now), last, _AT_A_TIME),
        )
        page = await cursor.fetchall()
        for found in page:
            last = found.pop("changed")
            yield _row(found)
        if len(page) < _AT_A_TIME:
            return


async def rows(cursor: Cursor, ids: Sequence[int]) -> list[Row]:
    """The rows in the order of their ids given."""
    await cursor.execute(f"SELECT {_COLUMNS} FROM store_item WHERE id = ANY(%s)", (list(ids),))
    by_id = {found["id"]: _row(found) for found in await cursor.fetchall()}
    return [by_id[row_id] for row_id in ids if row_id in by_id]


async def vectors(cursor: Cursor, ids: Sequence[int]) -> list[list[tuple[int, bytes]]]:
    """Pages of (item's id, its vectors' bytes), of those that have any."""
    pages = []
    for start in range(0, len(ids), _AT_A_TIME):
        query = "SELECT item, data FROM store_item_vector WHERE item = ANY(%s)"
        await cursor.execute(query, (list(ids[start : start + _AT_A_TIME]),), binary=True)
        pages.append([(found["item"], found["data"]) for found in await cursor.fetchall()])
    return pages


async def namespaces(cursor: Cursor, prefix: Sequence[str], now: int) -> list[Namespace]:
    """Each namespace that holds an item, under a prefix."""
    await cursor.execute(f"SELECT DISTINCT namespace FROM store_item WHERE {_UNDER}", _under(prefix, now))
    return [from_text(found["namespace"]) for found in await cursor.fetchall()]


async def refresh(cursor: Cursor, ids: Iterable[int], now: int) -> None:
    """Start the time to live anew, of those that have one and have not expired."""
    await cursor.execute(
        """UPDATE store_item SET expires_at = %(now)s + round(ttl_minutes * 60000000)::bigint
           WHERE id = ANY(%(ids)s) AND expires_at > %(now)s""",
        {"now": now, "ids": list(ids)},
    )


async def sweep(cursor: Cursor, now: int) -> int:
    """Remove some of what has expired and nobody else is at; how many, 0 when nothing is left."""
    await cursor.execute(
        """DELETE FROM store_item WHERE id IN (
               SELECT id FROM store_item WHERE expires_at <= %s ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED)""",
        (now, _SWEPT_AT_A_TIME),
    )
    return cursor.rowcount


async def facts(cursor: Cursor) -> dict[str, str]:
    """What the stored vectors were made with; empty when there are none."""
    await cursor.execute("SELECT name, value FROM store_item_fact WHERE EXISTS (SELECT 1 FROM store_item_vector)")
    return {found["name"]: found["value"] for found in await cursor.fetchall()}


async def note_facts(cursor: Cursor, known: dict[str, str]) -> None:
    for name, value in known.items():
        await cursor.execute(
            "INSERT INTO store_item_fact VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )


async def all_indexed(cursor: Cursor) -> list[tuple[int, str]]:
    """Of every item that is meant to be found by meaning: its id, and its put's own choice of fields."""
    await cursor.execute("SELECT id, indexed FROM store_item WHERE indexed != 'false' ORDER BY id")
    return [(found["id"], found["indexed"]) for found in await cursor.fetchall()]


def _under(prefix: Sequence[str], now: int) -> tuple[str, str, bool, int]:
    text = to_text(prefix)
    first, end = text_range(prefix) if text else ("", "")
    return first, str(end), not text, now


def _row(found: dict[str, Any]) -> Row:
    return Row(**{**found, "namespace": from_text(found["namespace"])})
