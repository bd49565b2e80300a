"""The store on a file and the one in PostgreSQL, for tests that both have to pass."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import apsw
import psycopg
from langgraph.store.base import IndexConfig

from checkpoints import open_store, reindex
from checkpoints.postgres import PostgresState


class EachStore(Protocol):
    def open(self, **options: Any) -> AbstractAsyncContextManager[Any]: ...

    def stored_items(self) -> int:
        """How many are there, expired ones too."""

    async def reindex(self, index: IndexConfig) -> int: ...


class OnFile:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, **options: Any) -> AbstractAsyncContextManager[Any]:
        return open_store(self.folder, **options)

    def stored_items(self) -> int:
        return stored_items(self.folder)

    async def reindex(self, index: IndexConfig) -> int:
        return await reindex(self.folder, index)


class OnPostgres:
    def __init__(self, uri: str) -> None:
        self.uri = uri

    def open(self, **options: Any) -> AbstractAsyncContextManager[Any]:
        return PostgresState(self.uri).open_store(**options)

    def stored_items(self) -> int:
        with psycopg.connect(self.uri) as connection:
            found = connection.execute("SELECT count(*) FROM store_item").fetchone()
        assert found is not None
        return int(found[0])

    async def reindex(self, index: IndexConfig) -> int:
        return await PostgresState(self.uri).reindex(index)


def stored_items(folder: Path) -> int:
    connection = apsw.Connection(str(folder / "items.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return int(connection.execute("SELECT count(*) FROM item").get)
    finally:
        connection.close()
