from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from threadkeep.errors import UnavailableError
from threadkeep.storage.database import Database
from threadkeep.storage.intents import Intent, add_intent
from threadkeep.storage.scans import Scans
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


async def test_scans_that_wait_for_their_turn_end_with_a_stop_and_none_begins_after_it(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "server.db") as database:
        scans = [asyncio.create_task(database.scan(ENDLESS)) for _ in range(3)]
        await database.check_writable()
    for scan in scans:
        with pytest.raises(UnavailableError, match="stopping"):
            await scan
    with pytest.raises(UnavailableError, match="stopping"):
        await database.scan("SELECT 1")


async def test_the_log_starts_over_however_much_is_scanned_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "server.db"
    slow = "SELECT count(*) FROM words a, words b WHERE a.word || b.word <> 'no'"  # some tens of milliseconds
    async with open_sqlite(path) as database, asyncio.timeout(100):
        await database.write(lambda connection: connection.execute("CREATE TABLE words (word TEXT)"))
        await database.write(
            lambda connection: connection.executemany("INSERT INTO words VALUES (?)", [(f"{n}",) for n in range(300)])
        )
        over = False

        async def scan() -> None:
            while not over:
                await database.scan(slow)

        scans = [asyncio.create_task(scan()) for _ in range(3)]
        started_over, before = 0, 0
        while started_over < 3:
            await database.write(lambda connection: connection.execute("INSERT INTO words VALUES (?)", ("x" * 10**6,)))
            await database.write(lambda connection: connection.execute("DELETE FROM words WHERE length(word) > 9"))
            started_over += database._wal_pages < before
            before = database._wal_pages
        over = True
        await asyncio.gather(*scans)


def test_what_a_scan_sorts_goes_to_no_folder_of_others(tmp_path: Path) -> None:
    """The connection that writes says the same: a server whose root cannot be written has no other place."""
    scans = Scans(tmp_path / "server.db", None)
    (tmp_path / "server.db").touch()
    assert scans._opened().pragma("temp_store") == 2


async def test_a_scan_sees_what_was_awaited_before_it(database: Database) -> None:
    for number in range(3):
        await database.write(partial(add_intent, intent=Intent("delete_thread", str(number))))
        assert await database.scan("SELECT count(*) FROM intents WHERE kind = ?", ("delete_thread",)) == [(number + 1,)]
