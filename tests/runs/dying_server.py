"""`server.py` with a death sentence: the process dies at the `DIE_AT`-th durable transition of its databases.

A transition is a commit; each is two points, the moment before it and the moment after. On SQLite apsw's own hooks see
every connection of the process; on PostgreSQL (`DATABASE_URI`) psycopg is watched as it sends. So nothing in the server
knows of this. `POINTS_FILE` is told how many points were passed.
With `CLOCK_FILE`, the wall clock is as many seconds ahead as that file says, at every look.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
from collections.abc import Generator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from threadkeep.clock import SystemClock  # noqa: E402 - found only with the path above

Sending = Generator[Any, Any, Any]

_WRITES = ("INSERT", "UPDATE", "DELETE", "WITH", "CREATE", "ALTER", "DROP")


class Sentence:
    def __init__(self, die_at: int, points_file: Path | None) -> None:
        self.die_at = die_at
        self.points_file = points_file
        self.passed = 0
        self.counting = threading.Lock()  # databases commit on threads too

    def point(self) -> None:
        with self.counting:
            self.passed += 1
            if self.points_file is not None:
                # Whole or not at all: the test may kill this process while it writes.
                unfinished = self.points_file.with_suffix(".unfinished")
                unfinished.write_text(str(self.passed))
                unfinished.replace(self.points_file)
            if self.passed == self.die_at:
                os._exit(137)

    def watch(self, connection: apsw.Connection) -> None:
        connection.set_commit_hook(self.before_commit)
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, self.statement_done)

    def before_commit(self) -> bool:
        self.point()
        return False

    def statement_done(self, event: dict[str, object]) -> None:
        if str(event["sql"]).upper().startswith("COMMIT"):
            self.point()


def watch_postgres(sentence: Sentence) -> None:
    """What psycopg sends, with await or without: a cursor's statements, and a transaction block's own commands.

    A statement that writes outside a transaction commits by itself. One inside is no moment of its own: the database
    undoes it, with its locks, as it does before the commit.
    """
    # A data folder needs no driver.
    from psycopg import _connection_base, _cursor_base, pq, sql

    def commits(connection: Any, query: Any) -> bool:
        said = query.as_string(connection) if isinstance(query, sql.Composable) else query
        words = (said.decode() if isinstance(said, bytes) else said).lstrip().upper()
        alone = connection.info.transaction_status == pq.TransactionStatus.IDLE
        return bool(words.startswith(_WRITES if alone else "COMMIT"))

    def watched(connection: Any, query: Any, sending: Sending) -> Sending:
        if not commits(connection, query):
            return (yield from sending)
        sentence.point()
        answer = yield from sending
        sentence.point()
        return answer

    cursor_class: Any = _cursor_base.BaseCursor
    connection_class: Any = _connection_base.BaseConnection
    execute, command = cursor_class._execute_gen, connection_class._exec_command

    def execute_watched(cursor: Any, query: Any, *more: Any, **options: Any) -> Sending:
        return watched(cursor.connection, query, execute(cursor, query, *more, **options))

    def command_watched(connection: Any, query: Any, *more: Any, **options: Any) -> Sending:
        return watched(connection, query, command(connection, query, *more, **options))

    cursor_class._execute_gen, connection_class._exec_command = execute_watched, command_watched


def shift_clock(ahead: Path) -> None:
    true_now = SystemClock.now

    def shifted(clock: SystemClock) -> datetime:
        return true_now(clock) + timedelta(seconds=float(ahead.read_text() or 0))

    SystemClock.now = shifted  # type: ignore[method-assign]


if __name__ == "__main__":
    points_file = os.environ.get("POINTS_FILE")
    sentence = Sentence(int(os.environ.get("DIE_AT", "0")), Path(points_file) if points_file else None)
    apsw.connection_hooks.append(sentence.watch)
    if "DATABASE_URI" in os.environ:
        watch_postgres(sentence)
    if clock_file := os.environ.get("CLOCK_FILE"):
        shift_clock(Path(clock_file))
    sys.argv[0] = str(ROOT / "server.py")
    runpy.run_path(str(ROOT / "server.py"), run_name="__main__")
