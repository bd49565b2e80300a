"""The rows of `server.db` on their way to PostgreSQL: copied in batches with their keys, then compared.

A batch is one transaction, and a row that is there already stays, so that a move that was cut off is started again from
the beginning and copies what is missing. Compared is a sum over the hashes of all rows, on which no order has a say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any

import apsw
import psycopg
from psycopg import sql

from threadkeep.errors import StartupError
from threadkeep.storage.connection import Row
from threadkeep.storage.dialect import POSTGRES

# Whatever refers to others comes after them.
TABLES = (
    "threads",
    "thread_metadata",
    "thread_texts",
    "thread_usage",
    "current_threads",
    "assistants",
    "assistant_versions",
    "runs",
    "events",
    "run_feedback",
    "trace_spans",
    "trace_contents",
    "interaction_totals",
    "token_usage",
    "intents",
    "crons",
    "outbox",
    "api_keys",
)
NOT_MOVED = {"deleted_runs"}
"""Where the places of deleted runs are remembered; a sequence does that there."""
_AT_A_TIME = 1_000
_MODULUS = 2**256

Raw = psycopg.Connection[Row]


@dataclass(frozen=True, slots=True)
class Sum:
    rows: int
    hash: int


def check_tables(file: apsw.Connection) -> None:
    """`StartupError` for a table that nobody has said where to take."""
    found = {name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    unknown = {name for name in found if not name.startswith("sqlite_")} - NOT_MOVED - set(TABLES)
    if unknown:
        raise StartupError(f"server.db has tables that cannot be moved: {', '.join(sorted(unknown))}.")


def full_tables(raw: Raw) -> list[str]:
    """Which of the tables have rows in the database."""
    return [name for name in TABLES if raw.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() is not None]


def copy_table(file: apsw.Connection, raw: Raw, name: str, tell: Callable[[int, int], None]) -> None:
    """Bring over the rows that are not there yet."""
    columns = _columns(file, name)
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    table, batch_table = sql.Identifier(name), sql.Identifier(f"moving_{name}")
    [(of,)] = file.execute(f"SELECT count(*) FROM {name}").fetchall()
    done = 0
    remaining = _rows_here(file, name, columns)
    while rows := list(islice(remaining, _AT_A_TIME)):
        with raw.transaction(), raw.cursor() as cursor:
            temporary = "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0"
            cursor.execute(sql.SQL(temporary).format(batch_table, listed, table))
            with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(batch_table, listed)) as copy:
                for row in rows:
                    copy.write_row(row)
            insert = "INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT DO NOTHING"
            cursor.execute(sql.SQL(insert).format(table, listed, listed, batch_table))
        done += len(rows)
        tell(done, int(str(of)))


def finish(file: apsw.Connection, raw: Raw) -> None:
    """What is counted goes on after what was moved, and what was running is taken up by the first server to start."""
    [(newest,)] = file.execute(f"SELECT {_NEWEST_PLACE}").fetchall()
    with raw.transaction():
        if newest:
            raw.execute("SELECT setval('runs_seq', %s)", (newest,))
        raw.execute(
            """SELECT setval(pg_get_serial_sequence('intents', 'intent_id'), max(intent_id)) FROM intents
               HAVING count(*) > 0"""
        )
        raw.execute("UPDATE runs SET lease_until = clock_timestamp() WHERE status = 'running' AND lease_until IS NULL")


_NEWEST_PLACE = "(SELECT max(newest, (SELECT ifnull(max(seq), 0) FROM runs)) FROM deleted_runs)"


def sum_here(file: apsw.Connection, name: str) -> Sum:
    return _sum(_rows_here(file, name, _columns(file, name)))


def sum_there(file: apsw.Connection, raw: Raw, name: str) -> Sum:
    """Of the same columns; read as a stream."""
    listed = sql.SQL(", ").join(map(sql.Identifier, _columns(file, name)))
    with raw.transaction(), psycopg.ServerCursor(raw, "moving") as cursor:
        cursor.itersize = _AT_A_TIME
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(listed, sql.Identifier(name)))
        return _sum(cursor)


def _sum(rows: Iterable[Row]) -> Sum:
    count = total = 0
    for row in rows:
        count += 1
        total += int.from_bytes(sha256(repr(row).encode("utf-8", "surrogatepass")).digest())
    return Sum(count, total % _MODULUS)


def _columns(file: apsw.Connection, name: str) -> list[str]:
    return [str(row[0]) for row in file.execute("SELECT name FROM pragma_table_info(?) ORDER BY cid", (name,))]


def _rows_here(file: apsw.Connection, name: str, columns: list[str]) -> Iterator[Row]:
    """As the database is to hold them."""
    blobs = {
        row[0] for row in file.execute("SELECT name FROM pragma_table_info(?) WHERE type = 'BLOB'", (name,)).fetchall()
    }
    is_blob = [column in blobs for column in columns]
    for row in file.execute(f"SELECT {', '.join(columns)} FROM {name}"):
        if name == "thread_metadata":
            path, value, *rest = row
            yield (*POSTGRES.short_leaf(str(path), str(value)), *rest)
        else:
            yield tuple(_there(value, blob) for value, blob in zip(row, is_blob, strict=True))


def _there(value: Any, blob: bool) -> Any:
    if isinstance(value, str):
        return value.encode() if blob else value.replace("\0", "\ufffd")
    return value
