"""Make every stored embedding anew, as `checkpoints/store/reindex.py` does for a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from checkpoints.postgres import item_table as table
from checkpoints.postgres.pool import Cursor, Pool
from checkpoints.store.index import Index
from checkpoints.store.values import decode

_ITEMS_AT_A_TIME = 100


async def reindex(pool: Pool, index: Index, tell: Callable[[int, int], None]) -> int:
    """How many items were embedded; one that is cut off can be started again."""

    async def begin(cursor: Cursor) -> list[tuple[int, str]]:
        await cursor.execute("DELETE FROM store_item_vector")
        await table.note_facts(cursor, index.facts())
        return await table.all_indexed(cursor)

    meant = await pool.transaction(begin)
    embedded = 0
    for start in range(0, len(meant), _ITEMS_AT_A_TIME):
        tell(start, len(meant))
        embedded += await _embed_page(pool, index, meant[start : start + _ITEMS_AT_A_TIME])
    return embedded


async def _embed_page(pool: Pool, index: Index, page: Sequence[tuple[int, str]]) -> int:
    fields: dict[int, Any] = {row_id: orjson.loads(choice) for row_id, choice in page}
    rows = await pool.run(lambda cursor: table.rows(cursor, list(fields)))
    texts = {row.id: index.texts(decode(row.value), fields[row.id]) for row in rows}
    found = await index.embed([text for of_item in texts.values() for text in of_item], [])

    async def store(cursor: Cursor) -> int:
        for row_id, of_item in texts.items():
            await table.set_vectors(cursor, row_id, found.stored(of_item))
        return sum(bool(of_item) for of_item in texts.values())

    return await pool.transaction(store)
