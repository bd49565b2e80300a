from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from threadkeep.errors import UnavailableError
from threadkeep.storage.database import Database
from threadkeep.storage.intents import Intent, add_intent
from threadkeep.storage.sqlite import open_sqlite

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


async def test_a_scan_holds_up_neither_reads_nor_writes_nor_a_stop(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "server.db") as database:
        await database.write(lambda connection: connection.execute("CREATE TABLE words (word TEXT)"))
        endless = asyncio.create_task(database.scan(ENDLESS))
        for number in range(3):
            await database.write(
                lambda connection, word=str(number): connection.execute("INSERT INTO words VALUES (?)", (word,))
            )
            assert await database.read_one("SELECT max(word) FROM words") == (str(number),)
        assert not endless.done()
    with pytest.raises(UnavailableError, match="stopping"):
        await endless


async def test_a_scan_sees_what_was_awaited_before_it(database: Database) -> None:
    for number in range(3):
        await database.write(partial(add_intent, intent=Intent("delete_thread", str(number))))
        assert await database.scan("SELECT count(*) FROM intents WHERE kind = ?", ("delete_thread",)) == [(number + 1,)]
