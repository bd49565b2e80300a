"""Make every stored embedding anew: after another model was configured, or for items put before there was an index."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import orjson
from langgraph.store.base import IndexConfig

from checkpoints.ownership import owned_file, resolve_data_dir
from checkpoints.store import table
from checkpoints.store.connections import run_alone
from checkpoints.store.index import Index
from checkpoints.store.opening import OUR_FILE
from checkpoints.store.values import decode

_ITEMS_AT_A_TIME = 100


async def reindex(
    data_dir: Path | None, index: IndexConfig, *, tell: Callable[[int, int], None] = lambda done, of: None
) -> int:
    """How many items were embedded. Nobody else has the file open; one that is cut off can be started again.

    Fields that a put named for its item are the ones that are embedded again; an item put with `index=False` has none.
    `tell` hears how far it has come.
    """
    made = Index(index)
    with owned_file(resolve_data_dir(data_dir) / OUR_FILE) as path:

        def begin(connection: apsw.Connection) -> list[tuple[int, str]]:
            table.prepare(connection, path)
            table.forget_vectors(connection)
            table.note_facts(connection, made.facts())
            return table.all_indexed(connection, int(datetime.now(UTC).timestamp() * 1_000_000))

        meant = await asyncio.to_thread(run_alone, path, begin)
        embedded = 0
        for start in range(0, len(meant), _ITEMS_AT_A_TIME):
            tell(start, len(meant))
            embedded += await _embed_page(path, made, meant[start : start + _ITEMS_AT_A_TIME])
    return embedded


async def _embed_page(path: Path, made: Index, page: Sequence[tuple[int, str]]) -> int:
    fields: dict[int, Any] = {row_id: orjson.loads(choice) for row_id, choice in page}
    rows = await asyncio.to_thread(run_alone, path, lambda connection: list(table.rows(connection, fields)))
    texts = {row.id: made.texts(decode(row.value), fields[row.id]) for row in rows}
    found = await made.embed([text for of_item in texts.values() for text in of_item], [])

    def store(connection: apsw.Connection) -> int:
        for row_id, of_item in texts.items():
            table.set_vectors(connection, row_id, found.stored(of_item))
        return sum(bool(of_item) for of_item in texts.values())

    return await asyncio.to_thread(run_alone, path, store)
