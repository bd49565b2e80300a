"""The crons table: which runs are to be accepted when, and that each time comes once.

A cron's `next_run_date` is moved on in the transaction that accepts its run (`mark_fired`), so that a crash between the
two is impossible: either both are stored, or neither. When a schedule is due is `runs/schedule.py`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from threadkeep import json
from threadkeep.callers import Caller
from threadkeep.errors import ConflictError, NotFoundError
from threadkeep.storage.connection import Connection, Row
from threadkeep.storage.database import Database
from threadkeep.storage.metadata import contains, visible
from threadkeep.storage.readable import readable, readable_or_none, reads
from threadkeep.storage.thread_rows import owned_thread

SORT_COLUMNS = ("cron_id", "assistant_id", "thread_id", "created_at", "updated_at", "next_run_date", "end_time")

_COLUMNS = """cron_id, owner, assistant_id, thread_id, schedule, timezone, end_time, enabled, payload, metadata,
    next_run_date, created_at, updated_at"""


class CronMovedOnError(ConflictError):
    """This time of the cron has been used already, or the cron was changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Cron:
    cron_id: str
    assistant_id: str
    schedule: str
    created_at: str
    updated_at: str
    owner: str | None = None
    thread_id: str | None = None
    """None: every run gets a thread of its own."""
    timezone: str | None = None
    end_time: str | None = None
    enabled: bool = True
    payload: dict[str, Any] = field(default_factory=dict)
    """Fields of a `RunRequest`, without those that have their default."""
    metadata: dict[str, Any] = field(default_factory=dict)
    next_run_date: str | None = None


@dataclass(frozen=True, slots=True)
class CronQuery:
    assistant_id: str | None = None
    thread_id: str | None = None
    enabled: bool | None = None
    metadata: dict[str, Any] | None = None
    sort_by: str = "created_at"
    descending: bool = True
    limit: int = 10
    offset: int = 0


class Crons:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, cron: Cron, caller: Caller) -> Cron:
        """Store a new cron; `NotFoundError` when its thread is not there or not the caller's."""

        def work(connection: Connection) -> Cron:
            if cron.thread_id is not None:
                owned_thread(connection, cron.thread_id, caller)
            connection.tell("cron")
            _replace(connection, cron)
            return cron

        return await self._database.write(work)

    async def get(self, cron_id: str, caller: Caller) -> Cron:
        row = await self._database.read_one(f"SELECT {_COLUMNS} FROM crons WHERE cron_id = ?", (cron_id,))
        return _visible(None if row is None else _cron(row), cron_id, caller)

    async def search(self, query: CronQuery, caller: Caller) -> tuple[list[Cron], int]:
        """One page of the matching crons, and how many match in all."""
        assert query.sort_by in SORT_COLUMNS
        direction = "DESC" if query.descending else "ASC"
        rows = await self._database.read(
            f"""SELECT {_COLUMNS} FROM crons
                WHERE (:owner IS NULL OR owner = :owner) AND (:assistant IS NULL OR assistant_id = :assistant)
                  AND (:thread IS NULL OR thread_id = :thread) AND (:enabled IS NULL OR enabled = :enabled)
                ORDER BY {query.sort_by} {direction}, cron_id {direction}""",
            {
                "owner": caller.owner,
                "assistant": query.assistant_id,
                "thread": query.thread_id,
                "enabled": None if query.enabled is None else int(query.enabled),
            },
        )
        found = readable(_cron, rows)
        wanted = {**(query.metadata or {}), **caller.filters}
        found = [cron for cron in found if contains(cron.metadata, wanted)]
        return found[query.offset : query.offset + query.limit], len(found)

    async def update(self, cron_id: str, caller: Caller, change: Callable[[Cron], Cron]) -> Cron:
        """Store what `change` makes of the present cron, in one transaction with reading it."""

        def work(connection: Connection) -> Cron:
            connection.lock(f"cron:{cron_id}")
            connection.tell("cron")
            row = connection.execute(f"SELECT {_COLUMNS} FROM crons WHERE cron_id = ?", (cron_id,)).fetchone()
            changed = change(_visible(None if row is None else _cron(row), cron_id, caller))
            _replace(connection, changed)
            return changed

        return await self._database.write(work)

    async def delete(self, cron_id: str, caller: Caller) -> None:
        present = await self.get(cron_id, caller)

        def work(connection: Connection) -> None:
            connection.execute("DELETE FROM crons WHERE cron_id = ?", (present.cron_id,))

        await self._database.write(work)

    async def due(self, *, now: str, limit: int) -> list[Cron]:
        """Crons whose time has come, the longest overdue first; one that cannot be read has no next time any more."""
        rows = await self._database.read(
            f"SELECT {_COLUMNS} FROM crons WHERE next_run_date <= ? ORDER BY next_run_date, cron_id LIMIT ?",
            (now, limit),
        )
        found = [(str(row[0]), readable_or_none(_cron, row)) for row in rows]
        if stopped := [cron_id for cron_id, cron in found if cron is None]:
            await self._stop(stopped, now=now)
        return [cron for _, cron in found if cron is not None]

    async def _stop(self, cron_ids: list[str], *, now: str) -> None:
        """Else they would stay the first that are due, for ever."""

        def work(connection: Connection) -> None:
            for cron_id in cron_ids:
                connection.execute(
                    "UPDATE crons SET next_run_date = NULL WHERE cron_id = ? AND next_run_date <= ?", (cron_id, now)
                )

        await self._database.write(work)

    async def next_time(self) -> str | None:
        """When the earliest cron is due, if any will be."""
        row = await self._database.read_one("SELECT min(next_run_date) FROM crons WHERE next_run_date IS NOT NULL")
        return None if row is None else row[0]

    async def skip(self, cron: Cron, following: str | None) -> None:
        """Let a time pass without a run."""
        await self._database.write(lambda connection: mark_fired(connection, cron, following))


def mark_fired(connection: Connection, cron: Cron, following: str | None) -> None:
    """Use up the time that `cron` was read with; `CronMovedOnError` when it has been used or the cron was changed."""
    moved = connection.execute(
        "UPDATE crons SET next_run_date = ? WHERE cron_id = ? AND next_run_date = ? AND updated_at = ? RETURNING 1",
        (following, cron.cron_id, cron.next_run_date, cron.updated_at),
    ).fetchall()
    if len(moved) != 1:
        raise CronMovedOnError


def _visible(cron: Cron | None, cron_id: str, caller: Caller) -> Cron:
    if cron is None or not visible(cron.owner, cron.metadata, caller):
        raise NotFoundError(f"Cron with ID {cron_id} not found")
    return cron


def _replace(connection: Connection, cron: Cron) -> None:
    connection.execute(
        f"""INSERT INTO crons ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (cron_id) DO UPDATE SET owner = excluded.owner, assistant_id = excluded.assistant_id,
                thread_id = excluded.thread_id, schedule = excluded.schedule, timezone = excluded.timezone,
                end_time = excluded.end_time, enabled = excluded.enabled, payload = excluded.payload,
                metadata = excluded.metadata, next_run_date = excluded.next_run_date,
                updated_at = excluded.updated_at""",
        (
            cron.cron_id,
            cron.owner,
            cron.assistant_id,
            cron.thread_id,
            cron.schedule,
            cron.timezone,
            cron.end_time,
            int(cron.enabled),
            json.dumps_text(cron.payload),
            json.dumps_text(cron.metadata),
            cron.next_run_date,
            cron.created_at,
            cron.updated_at,
        ),
    )


@reads("cron")
def _cron(row: Row) -> Cron:
    (cron_id, owner, assistant_id, thread_id, schedule, timezone, end_time, enabled, payload, metadata, *times) = row
    next_run_date, created_at, updated_at = times
    return Cron(
        cron_id=cron_id,
        owner=owner,
        assistant_id=assistant_id,
        thread_id=thread_id,
        schedule=schedule,
        timezone=timezone,
        end_time=end_time,
        enabled=bool(enabled),
        payload=json.loads(payload),
        metadata=json.loads(metadata),
        next_run_date=next_run_date,
        created_at=created_at,
        updated_at=updated_at,
    )
