from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from threadkeep.errors import UnavailableError
from threadkeep.storage.connection import Connection
from threadkeep.storage.postgres import open_postgres
from threadkeep.storage.postgres_connection import _LONGEST_MESSAGE, NothingAskedError, transaction

Raw = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def raw(postgres_uri: str) -> Iterator[Raw]:
    with psycopg.connect(postgres_uri, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("CREATE TABLE words (word TEXT PRIMARY KEY)")
        yield connection


def carry_out(raw: Raw, work: Callable[[Connection], object]) -> None:
    with transaction(raw, "me") as connection:
        work(connection)


def words(raw: Raw) -> list[object]:
    return [word for (word,) in raw.execute("SELECT word FROM words ORDER BY word")]


def idle(raw: Raw) -> bool:
    return raw.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def end_all(uri: str) -> None:
    """As a database that is started anew: what was connected to it no longer is."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
    with psycopg.connect(uri, autocommit=True) as raw:
        assert raw.execute(others, (raw.info.backend_pid,)).fetchall()


@contextmanager
def messages_to(raw: Raw, path: Path) -> Iterator[list[str]]:
    """What was asked in the block, once it is over."""
    asked: list[str] = []
    with path.open("w+") as trace:
        raw.pgconn.trace(trace.fileno())
        yield asked
        raw.pgconn.untrace()
        trace.seek(0)
        asked += [line for line in trace if "\tF\t" in line and "Query" in line]


def test_what_a_transaction_says_leaves_in_one_message_until_rows_are_wanted(raw: Raw, tmp_path: Path) -> None:
    with messages_to(raw, tmp_path / "trace") as asked, transaction(raw, "me") as connection:
        connection.lock("b", "a")
        connection.executemany("INSERT INTO words VALUES (?)", [("one",), ("two",)])
        rows = connection.execute("SELECT word FROM words WHERE word <> ? ORDER BY word", ("two",))
        assert rows.fetchone() == ("one",)
        assert rows.fetchone() is None
        connection.execute("INSERT INTO words VALUES (:word)", {"word": "three; DROP TABLE words -- '%s"})
        connection.tell("news")
    assert len(asked) == 2
    assert words(raw) == ["one", "three; DROP TABLE words -- '%s", "two"]
    assert idle(raw)


def test_what_is_much_leaves_in_several_messages_and_counts_together_all_the_same(raw: Raw, tmp_path: Path) -> None:
    raw.execute("CREATE TABLE blobs (blob BYTEA)")
    blobs = [(b"x" * (_LONGEST_MESSAGE // 4),)] * 7  # twice as long in digits, so that two of them are too long
    with messages_to(raw, tmp_path / "trace") as asked, suppress(ZeroDivisionError), transaction(raw, "me") as first:
        first.executemany("INSERT INTO blobs VALUES (?)", blobs)
        raise ZeroDivisionError
    assert len(asked) == 6 + 1  # the last one was still waiting, and what was said is undone
    with transaction(raw, "me") as connection:
        connection.executemany("INSERT INTO blobs VALUES (?)", blobs)
        assert connection.execute("SELECT count(*) FROM blobs WHERE blob = ?", blobs[0]).fetchall() == [(7,)]
    assert raw.execute("SELECT count(*) FROM blobs").fetchone() == (7,)


def test_a_statement_that_fails_undoes_the_whole_wherever_that_is_noticed(raw: Raw) -> None:
    def at_the_end(connection: Connection) -> None:
        connection.executemany("INSERT INTO words VALUES (?)", [("one",), ("one",)])

    def at_a_read(connection: Connection) -> None:
        at_the_end(connection)
        connection.execute("SELECT 1").fetchall()

    for work in (at_the_end, at_a_read):
        with pytest.raises(psycopg.errors.UniqueViolation):
            carry_out(raw, work)
        assert (words(raw), idle(raw)) == ([], True)
    carry_out(raw, lambda connection: connection.execute("INSERT INTO words VALUES (?)", ("two",)))
    assert words(raw) == ["two"]


@pytest.mark.parametrize("sent", [False, True])
def test_a_block_that_raises_leaves_nothing_whether_or_not_something_was_sent(raw: Raw, sent: bool) -> None:
    def work(connection: Connection) -> None:
        rows = connection.execute("INSERT INTO words VALUES ('one') RETURNING word")
        assert not sent or rows.fetchall() == [("one",)]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        carry_out(raw, work)
    assert (words(raw), idle(raw)) == ([], True)


def test_rows_are_read_before_the_next_statement(raw: Raw) -> None:
    def work(connection: Connection) -> None:
        late = connection.execute("SELECT 1")
        connection.execute("SELECT 2")
        late.fetchone()

    with pytest.raises(AssertionError, match="before the next"):
        carry_out(raw, work)


def test_on_a_connection_that_was_dead_nothing_was_asked(postgres_uri: str, raw: Raw) -> None:
    with psycopg.connect(postgres_uri, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (raw.info.backend_pid,))
        with pytest.raises(NothingAskedError):
            carry_out(raw, lambda connection: connection.execute("INSERT INTO words VALUES ('one')"))
        assert other.execute("SELECT count(*) FROM words").fetchone() == (0,)


async def test_a_write_on_a_dead_connection_is_done_on_a_living_one(postgres_uri: str) -> None:
    async with open_postgres(postgres_uri, connections=2) as database:
        await database.write(lambda connection: connection.execute("CREATE TABLE threadkeep.words (word TEXT)"))
        end_all(postgres_uri)
        await database.write(lambda connection: connection.execute("INSERT INTO words VALUES ('one')"))
        assert await database.read("SELECT word FROM words") == [("one",)]


async def test_a_write_that_is_cut_off_later_is_not_done_again(postgres_uri: str) -> None:
    tries: list[bool] = []

    def work(connection: Connection) -> None:
        tries.append(connection.execute("SELECT 1").fetchone() == (1,))
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    async with open_postgres(postgres_uri, connections=2) as database:
        with pytest.raises(UnavailableError, match="cannot be used"):
            await database.write(work)
        assert tries == [True]
        assert await database.read_one("SELECT 2") == (2,)
