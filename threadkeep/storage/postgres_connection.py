"""One transaction on PostgreSQL. Its statements leave together, because the way to the server and back costs more than
most of what is asked there: what is said to it waits until rows are wanted, until it is much, or until the end.

They are sent as one text with their values in it (PostgreSQL's simple protocol), so that no type has to be guessed for
a null. What goes wrong with one of them is raised by what makes it leave, at the latest by the commit; nothing of the
transaction has happened then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from threadkeep.storage.connection import Row, Rows
from threadkeep.storage.dialect import POSTGRES, in_postgres
from threadkeep.storage.postgres_schema import CHANNEL

HOLDS_KEYSPACE, LOCKS_KEYSPACE = 7_401, 7_402
_LOCK = "SELECT pg_advisory_xact_lock(%s, hashtext(%s))"
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock_shared(%s, hashtext(%s)) AND pg_try_advisory_xact_lock(%s, hashtext(%s))"

_LONGEST_MESSAGE = 1_000_000  # characters; PostgreSQL takes a gigabyte, of which bytes, as digits, are the half


class NothingAskedError(psycopg.OperationalError):
    """The connection broke before the database had answered anything, and before a commit was on its way."""


class PostgresConnection:
    """One transaction's `Connection`; made by `transaction`."""

    dialect = POSTGRES

    def __init__(self, raw: psycopg.Connection[Row], process: str) -> None:
        self._raw = raw
        self._process = process
        self._binder = psycopg.ClientCursor(raw)
        self._waiting = ["BEGIN"]
        self._length = 0
        self._said = 0
        self.answered = False

    def execute(self, sql: str, bindings: Any = ()) -> Rows:
        self._say(in_postgres(sql), _storable(bindings))
        return _Rows(self, self._said)

    def executemany(self, sql: str, sequenceofbindings: Iterable[Any]) -> None:
        statement = in_postgres(sql)
        for bindings in sequenceofbindings:
            self._say(statement, _storable(bindings))

    def lock(self, *keys: str) -> None:
        for key in sorted(keys):
            self._say(_LOCK, (LOCKS_KEYSPACE, key))

    def try_lock(self, key: str) -> bool:
        """Lock it if nobody has it, and if nobody holds it (`Database.hold`)."""
        self._say(_TRY_LOCK, (HOLDS_KEYSPACE, key, LOCKS_KEYSPACE, key))
        row = self.ask(self._said).fetchone()
        return row is not None and bool(row[0])

    def tell(self, news: str) -> None:
        self._say("SELECT pg_notify(%s, %s)", (CHANNEL, f"{self._process} {news}"))

    def _say(self, statement: str, bindings: Any) -> None:
        text = self._binder.mogrify(statement, bindings)
        if self._length and self._length + len(text) > _LONGEST_MESSAGE:
            self._send()
        self._waiting.append(text)
        self._length += len(text)
        self._said += 1

    def ask(self, number: int) -> psycopg.Cursor[Row]:
        """The rows of the statement that was said last, which `number` must be."""
        assert number == self._said, "rows are read before the next statement"
        cursor = self._send()
        cursor.set_result(-1)
        return cursor

    def commit(self) -> None:
        """Nobody can tell whether a commit that is cut off has happened; so it leaves on a connection that lives."""
        if not self.answered:
            self._send()
        self._waiting.append("COMMIT")
        self._send()

    def _send(self) -> psycopg.Cursor[Row]:
        text = ";\n".join(self._waiting)
        self._waiting.clear()
        self._length = 0
        cursor = self._raw.execute(text)
        self.answered = True
        return cursor


class _Rows:
    """Asked for when they are read."""

    def __init__(self, connection: PostgresConnection, number: int) -> None:
        self._connection = connection
        self._number = number
        self._found: psycopg.Cursor[Row] | None = None

    def _rows(self) -> psycopg.Cursor[Row]:
        if self._found is None:
            self._found = self._connection.ask(self._number)
        return self._found

    def fetchone(self) -> Row | None:
        return self._rows().fetchone()

    def fetchall(self) -> list[Row]:
        return self._rows().fetchall()

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows())


@contextmanager
def transaction(raw: psycopg.Connection[Row], process: str) -> Iterator[PostgresConnection]:
    """Committed at the end of the block, undone when it raises. `raw` commits by itself, and has a `ClientCursor`.

    `NothingAskedError` where another connection may do: then nothing has happened.
    """
    connection = PostgresConnection(raw, process)
    try:
        yield connection
        connection.commit()
    except psycopg.OperationalError as error:
        if raw.broken and not connection.answered:
            raise NothingAskedError(str(error)) from error
        roll_back(raw)
        raise
    except BaseException:
        roll_back(raw)
        raise


def roll_back(raw: psycopg.Connection[Row]) -> None:
    """Undo what is under way, if something is."""
    if raw.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
        with suppress(psycopg.Error):  # where the connection is gone, so is the transaction
            raw.execute("ROLLBACK")


def _storable(bindings: Any) -> Any:
    """PostgreSQL's text holds any character but the one numbered zero, which a model may well come up with."""
    if isinstance(bindings, dict):
        return {name: _storable_text(value) for name, value in bindings.items()}
    return tuple(_storable_text(value) for value in bindings)


def _storable_text(value: Any) -> Any:
    return value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value
