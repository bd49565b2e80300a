"""The trace of a run: one row for each node, model call and tool call, and what was sent and answered, by its hash.

A conversation is sent to the model again and again, so each message is kept once a thread. Not once for all threads:
whoever deletes a thread, or everything of a user, then knows that no word of it is left. Traces are for people to look
at, and are written without waiting for the disk: a crash may take the last of them, and nothing else depends on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from threadkeep import json
from threadkeep.errors import ThreadkeepError
from threadkeep.storage.connection import Connection, Row
from threadkeep.storage.database import Database

_AT_ONCE = 500
_LOOK_AGAIN = 20
"""The table is weighed anew when a twentieth of what it may weigh was written."""


@dataclass(frozen=True, slots=True)
class Span:
    span_id: str
    started_at: str
    data: str
    """JSON; the hashes of contents are under `sent` (a list), `parameters` and `answer`."""


class Traces:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._unweighed: int | None = None
        """Bytes written since the last look at the whole; None before the first."""

    async def store(
        self, thread_id: str, run_id: str, owner: str | None, spans: Sequence[Span], contents: dict[str, str]
    ) -> bool:
        """Keep some spans with what they refer to. False when the run is gone meanwhile: then nothing is kept."""
        newest = max(span.started_at for span in spans)

        def work(connection: Connection) -> bool:
            if connection.execute("SELECT 1 FROM runs WHERE run_id = ?", (run_id,)).fetchone() is None:
                return False
            connection.executemany(
                """INSERT INTO trace_contents (thread_id, hash, owner, used_at, bytes, data) VALUES (?, ?, ?, ?, ?, ?)
                   ON CONFLICT (thread_id, hash) DO UPDATE SET used_at = excluded.used_at
                   WHERE trace_contents.used_at < excluded.used_at""",
                [(thread_id, name, owner, newest, len(data), data) for name, data in contents.items()],
            )
            connection.executemany(
                """INSERT INTO trace_spans (run_id, span_id, owner, started_at, bytes, data) VALUES (?, ?, ?, ?, ?, ?)
                   ON CONFLICT (run_id, span_id) DO NOTHING""",
                [(run_id, span.span_id, owner, span.started_at, len(span.data), span.data) for span in spans],
            )
            return True

        if self._unweighed is not None:
            self._unweighed += sum(len(data) for data in contents.values()) + sum(len(span.data) for span in spans)
        return await self._database.write(work, durable=False)

    async def of_run(self, run_id: str, thread_id: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """The spans of a run that its reader has been shown to see, by time, and as JSON what they refer to."""
        rows = await self._database.read(
            "SELECT data FROM trace_spans WHERE run_id = ? ORDER BY started_at, span_id", (run_id,)
        )
        spans = [json.loads(row[0]) for row in rows]
        wanted = sorted({name for span in spans for name in hashes_of(span)})
        contents: dict[str, str] = {}
        for place in range(0, len(wanted), _AT_ONCE):
            found = await self._database.read(
                """SELECT hash, data FROM trace_contents
                   WHERE thread_id = ? AND hash IN (SELECT value FROM json_each(?))""",
                (thread_id, json.dumps_text(wanted[place : place + _AT_ONCE])),
            )
            contents.update(dict(found))
        return spans, contents

    async def forget_old(self, *, before: str, most_bytes: int) -> int:
        """Drop what was last used before that time, and the oldest of what weighs too much in all. How many rows."""
        excess = await self._excess(most_bytes)
        forgotten = 0
        while True:
            oldest = await self._oldest()
            last = None
            for at, size in oldest:
                if at >= before and excess <= 0:
                    break
                last = at
                excess -= size
            if last is None:
                return forgotten
            forgotten += await self._forget_until(last)

    async def _excess(self, most_bytes: int) -> int:
        if self._unweighed is not None and self._unweighed < most_bytes // _LOOK_AGAIN:
            return 0
        tables = ("trace_spans", "trace_contents")
        self._unweighed = 0  # before the look, which may see what is stored meanwhile, or not
        try:
            rows = [row for table in tables for row in await self._database.scan(f"SELECT sum(bytes) FROM {table}")]
        except ThreadkeepError:
            self._unweighed = None
            raise
        excess = sum(int(row[0] or 0) for row in rows) - most_bytes
        # A little more than needed, so that the next look finds nothing to do.
        return excess + most_bytes // _LOOK_AGAIN if excess > 0 else 0

    async def _oldest(self) -> list[Row]:
        columns = (("started_at", "trace_spans"), ("used_at", "trace_contents"))
        pages = [
            await self._database.read(f"SELECT {at}, bytes FROM {table} ORDER BY {at} LIMIT ?", (_AT_ONCE,))
            for at, table in columns
        ]
        return sorted(row for page in pages for row in page)[:_AT_ONCE]

    async def _forget_until(self, at: str) -> int:
        def work(connection: Connection) -> int:
            spans = connection.execute("DELETE FROM trace_spans WHERE started_at <= ? RETURNING 1", (at,)).fetchall()
            rest = connection.execute("DELETE FROM trace_contents WHERE used_at <= ? RETURNING 1", (at,)).fetchall()
            return len(spans) + len(rest)

        return await self._database.write(work, durable=False)


def hashes_of(span: dict[str, Any]) -> set[str]:
    """What a span refers to."""
    return {name for name in (*span.get("sent", ()), span.get("parameters"), span.get("answer")) if name}


def forget_trace(connection: Connection, thread_id: str, run_id: str) -> None:
    """Drop a run's trace, and what no other run of its thread refers to; part of deleting the run."""
    spans = connection.execute("SELECT data FROM trace_spans WHERE run_id = ?", (run_id,)).fetchall()
    if not spans:
        return
    others = connection.execute(
        "SELECT data FROM trace_spans WHERE run_id IN (SELECT run_id FROM runs WHERE thread_id = ? AND run_id != ?)",
        (thread_id, run_id),
    ).fetchall()
    connection.execute("DELETE FROM trace_spans WHERE run_id = ?", (run_id,))
    gone = _all_hashes(spans) - _all_hashes(others)
    connection.executemany(
        "DELETE FROM trace_contents WHERE thread_id = ? AND hash = ?", [(thread_id, name) for name in gone]
    )


def _all_hashes(rows: Iterable[Row]) -> set[str]:
    return {name for row in rows for name in hashes_of(json.loads(row[0]))}
