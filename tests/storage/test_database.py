"""The database keeps its word: grouped commits, isolated failures, nothing lost, nothing silent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from threadkeep.errors import (
    ConflictError,
    CorruptError,
    StartupError,
    StorageFullError,
    ThreadkeepError,
    UnavailableError,
)
from threadkeep.storage.database import Database
from threadkeep.storage.migrations import migration_scripts
from threadkeep.storage.postgres import without_password
from threadkeep.storage.sqlite import open_sqlite


def insert(key: str):  # type: ignore[no-untyped-def]
    def work(connection: apsw.Connection) -> str:
        connection.execute("INSERT INTO intents (kind, thread_id) VALUES ('delete_thread', ?)", (key,))
        return key

    return work


async def keys(database: Database) -> list[str]:
    return [row[0] for row in await database.read("SELECT thread_id FROM intents ORDER BY intent_id")]


async def test_writes_of_one_tick_share_one_commit(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "server.db") as database:
        commits: list[int] = []
        database._connection.set_commit_hook(lambda: bool(commits.append(1)))
        await asyncio.gather(*(database.write(insert(str(number))) for number in range(20)))
        assert await keys(database) == [str(number) for number in range(20)]
        assert len(commits) == 1


async def test_a_refused_write_undoes_itself_and_leaves_its_neighbours(tmp_path: Path) -> None:
    def refused(connection: apsw.Connection) -> None:
        insert("half done")(connection)
        raise ConflictError("no")

    async with open_sqlite(tmp_path / "server.db") as database:
        first, second, third = await asyncio.gather(
            database.write(insert("before")),
            database.write(refused),
            database.write(insert("after")),
            return_exceptions=True,
        )
        assert (first, third) == ("before", "after")
        assert isinstance(second, ConflictError)
        assert await keys(database) == ["before", "after"]


async def test_a_refused_write_that_is_alone_in_its_tick_leaves_nothing_and_the_next_goes_on(tmp_path: Path) -> None:
    def refused(connection: apsw.Connection) -> None:
        insert("half done")(connection)
        raise ConflictError("no")

    def unforeseen(connection: apsw.Connection) -> None:
        insert("half done")(connection)
        connection.execute("INSERT INTO intents (kind, thread_id) VALUES ('delete_thread', NULL)")

    async with open_sqlite(tmp_path / "server.db") as database:
        with pytest.raises(ConflictError):
            await database.write(refused)
        with pytest.raises(ThreadkeepError, match="NOT NULL"):
            await database.write(unforeseen)
        await database.write(insert("next"))
        assert await keys(database) == ["next"]


async def test_a_write_whose_caller_was_cancelled_is_still_whole(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "server.db") as database:
        writing = asyncio.create_task(database.write(insert("kept")))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await database.write(insert("next"))
        assert await keys(database) == ["kept", "next"]


async def test_an_unforeseen_error_undoes_its_own_write_and_leaves_its_neighbours(tmp_path: Path) -> None:
    def broken(connection: apsw.Connection) -> None:
        insert("half done")(connection)
        raise ZeroDivisionError

    async with open_sqlite(tmp_path / "server.db") as database:
        for beside in (["before", "after"], []):
            writes = [database.write(insert(key)) for key in beside]
            *_, result = await asyncio.gather(*writes, database.write(broken), return_exceptions=True)
            assert isinstance(result, ZeroDivisionError)
        await database.write(insert("fine"))
        assert await keys(database) == ["before", "after", "fine"]


async def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "server.db") as database:
        pages = (await database.read("PRAGMA page_count"))[0][0]
        await database.read(f"PRAGMA max_page_count={pages + 3}")
        await database.write(insert("before the disk was full"))
        stored = len(await keys(database))
        with pytest.raises(StorageFullError):
            await database.write(insert("x" * 100_000))
        assert len(await keys(database)) == stored
        await database.read("PRAGMA max_page_count=1000000")
        await database.write(insert("there is room again"))
        assert (await keys(database))[-1] == "there is room again"


async def test_a_file_taken_away_under_the_server_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "server.db"
    async with open_sqlite(path) as database:
        await database.check_writable()
        path.rename(tmp_path / "elsewhere.db")
        with pytest.raises(UnavailableError, match="removed or replaced"):
            await database.check_writable()


async def test_a_damaged_file_is_refused_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "server.db"
    path.write_bytes(b"this is not a database, and long enough to be looked at" * 100)
    with pytest.raises(CorruptError, match=str(path)):
        async with open_sqlite(path):
            pass
    assert path.read_bytes().startswith(b"this is not")


async def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "server.db"
    async with open_sqlite(path):
        pass
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", len(migration_scripts()) + 1)
    connection.close()
    with pytest.raises(StartupError, match="newer Threadkeep"):
        async with open_sqlite(path):
            pass


async def test_the_log_is_moved_into_the_file_while_writing_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "server.db"
    async with open_sqlite(path) as database, asyncio.timeout(60):
        written = 0
        while path.stat().st_size < 5_000_000:
            await asyncio.gather(*(database.write(insert(f"{written} {'x' * 4000}")) for _ in range(50)))
            written += 50
        assert len(await keys(database)) == written


async def test_a_reader_of_another_process_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "server.db"
    async with open_sqlite(path) as database, asyncio.timeout(100):
        await database.write(insert("first"))
        reader = apsw.Connection(str(path))
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM intents").get == 1
        log = path.with_name("server.db-wal")
        written = 1
        while log.stat().st_size < 90_000_000:  # far past the size at which it is copied
            await asyncio.gather(*(database.write(insert(f"{written} {place} {'x' * 50_000}")) for place in range(20)))
            written += 20
        assert path.stat().st_size < 5_000_000, "the reader still needs what the file holds"
        reader.close()
        while path.stat().st_size < 80_000_000:
            await database.write(insert(f"{written} {'x' * 50_000}"))
            written += 1
        assert len(await keys(database)) == written


def test_a_database_is_named_with_all_its_places_and_without_its_password() -> None:
    said = "postgresql://ada:secret@one,two:5433,three:5434/threads?target_session_attrs=read-write"
    assert without_password(said) == "postgresql://ada@one:5432,two:5433,three:5434/threads"
    assert without_password("host=one,two port=6000 dbname=threads") == "postgresql://@one:6000,two:6000/threads"
    with pytest.raises(StartupError, match="must look like"):
        without_password("no address")
