"""SQLite plans a statement once a connection, whatever values it is run with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from checkpoints import schema
from checkpoints.store import connections
from threadkeep.storage import sqlite
from threadkeep.storage.scans import Scans

TABLE = "CREATE TABLE kept (name TEXT PRIMARY KEY)"


def scanning(path: Path) -> apsw.Connection:
    """The connection that a long query has; another one makes the table."""
    with closing(sqlite._connect(path, sqlite.Disk())) as connection:
        connection.execute(TABLE)
    return Scans(path, None)._opened()


CONNECT: dict[str, Callable[[Path], apsw.Connection]] = {
    "server.db": lambda path: sqlite._connect(path, sqlite.Disk()),
    "server.db, scanned": scanning,
    "checkpoints.db": schema.connect,
    "items.db": connections.connect,
}


@pytest.mark.parametrize("name", CONNECT)
def test_a_statement_is_planned_once(name: str, tmp_path: Path) -> None:
    statement = "SELECT name FROM kept WHERE name > ? ORDER BY name LIMIT ?"
    with closing(CONNECT[name](tmp_path / name)) as connection:
        if not connection.readonly("main"):
            connection.execute(TABLE)
        planned: list[int] = []

        def note(action: int, *_: str | None) -> int:
            planned.append(action)
            return apsw.SQLITE_OK

        connection.authorizer = note  # asked while a statement is planned
        connection.execute(statement, ("", 10)).fetchall()
        assert planned
        planned.clear()
        for number in range(2):
            connection.execute(statement, (str(number), 11 + number)).fetchall()
        assert not planned
