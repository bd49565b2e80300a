"""Carry a data folder's store items over to PostgreSQL, with their times, order and embeddings: all of them at once."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
from psycopg import sql

from checkpoints.ownership import owned_file
from checkpoints.postgres import item_table
from checkpoints.postgres.pool import Cursor, connected
from checkpoints.postgres.schema import carry_out, migrating
from checkpoints.store import table

_NAME = "threadkeep move"
_NUMBERS = ("created_at", "updated_at", "ttl_minutes", "expires_at", "changed")
_TABLES = {
    "item": (
        "store_item",
        ("id", "namespace", "key", "value", "indexed", *_NUMBERS),
    ),
    "vector": ("store_item_vector", ("item", "data")),
    "fact": ("store_item_fact", ("name", "value")),
}


async def move_items(uri: str, path: Path, *, copy: bool = True) -> tuple[int, list[str]]:
    """Copy all items, if that is wanted and none is there, then compare each.

    How many the folder has, and what is not the same in the database, in words.
    """
    if not await asyncio.to_thread(path.exists):
        return 0, []
    different = []
    with owned_file(path), closing(apsw.Connection(str(path))) as file:
        table.prepare(file, path)
        found = {name: _rows(file, name, columns) for name, (_, columns) in _TABLES.items()}
        async with connected(uri, _NAME) as connection:
            async with migrating(connection) as cursor:
                await carry_out(cursor, "store_item_migrations", item_table.MIGRATIONS)
                await cursor.execute("SELECT count(*) AS n FROM store_item")
                row = await cursor.fetchone()
                assert row is not None
                if copy and not row["n"]:
                    for name, rows in found.items():
                        await _fill(cursor, *_TABLES[name], rows)
                    await _count_on(cursor)
            async with connection.cursor() as cursor:
                for name, rows in found.items():
                    if sorted(rows, key=repr) != sorted(await _there(cursor, *_TABLES[name]), key=repr):
                        different.append(f"the store's {name}s")
    return len(found["item"]), different


def _rows(file: apsw.Connection, name: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    rows: Any = file.execute(f"SELECT {', '.join(columns)} FROM {name}")  # noqa: S608 - names of ours
    if name != "item":
        return list(rows)
    return [(*row[:3], row[3].decode() if isinstance(row[3], bytes) else row[3], *row[4:]) for row in rows]


async def _fill(cursor: Cursor, name: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    target = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    async with cursor.copy(target) as copy:
        for row in rows:
            await copy.write_row(row)


async def _count_on(cursor: Cursor) -> None:
    """The next item, and the next change, come after those that were moved."""
    await cursor.execute(
        """SELECT setval('store_item_change', max(changed)),
                  setval(pg_get_serial_sequence('store_item', 'id'), max(id)) FROM store_item HAVING count(*) > 0"""
    )


async def _there(cursor: Cursor, name: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(name))
    await cursor.execute(query, binary=True)
    return [tuple(row[column] for column in columns) for row in await cursor.fetchall()]
