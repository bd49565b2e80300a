"""What is known of the runs that were accepted: one by its id, those of a thread, those that wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from threadkeep.callers import Caller
from threadkeep.clock import seconds_since, timestamp
from threadkeep.errors import NotFoundError
from threadkeep.runs.entering import BY_KEY
from threadkeep.runs.records import COLUMNS, run_from
from threadkeep.runs.run import Run, RunStatus
from threadkeep.storage.database import Database
from threadkeep.storage.metadata import visible
from threadkeep.storage.readable import readable, readable_or_none
from threadkeep.storage.thread_rows import COLUMNS as THREAD_COLUMNS
from threadkeep.storage.thread_rows import thread_from

DUE = "(due_at <= :now OR due_at <= created_at OR attempt > 0)"
"""Whether a pending run may start: always, unless it was to wait for a time that has not come and has never started.

A wall clock that was set back holds up nobody else, and so lets nobody past on a thread.
"""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    pending: int
    running: int


class StoredRuns:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, run_id: str, caller: Caller, *, thread_id: str | None = None) -> Run:
        row = await self._database.read_one(
            f"SELECT {COLUMNS} FROM runs WHERE run_id = :run AND (:thread IS NULL OR thread_id = :thread)",
            {"run": run_id, "thread": thread_id},
        )
        if row is None or not await self._thread_seen(row[1], caller):
            raise NotFoundError(f"Run with ID {run_id} not found")
        return run_from(row)

    async def _thread_seen(self, thread_id: str, caller: Caller) -> bool:
        """A run is there for whom its thread is there, whoever started it."""
        if caller.sees_all:
            return True
        row = await self._database.read_one(f"SELECT {THREAD_COLUMNS} FROM threads WHERE thread_id = ?", (thread_id,))
        thread = None if row is None else readable_or_none(thread_from, row)
        return thread is not None and visible(thread.owner, thread.metadata, caller)

    async def by_key(self, idempotency_key: str, caller: Caller) -> Run | None:
        """The run that a request with this key made, if there was one."""
        row = await self._database.read_one(BY_KEY, (caller.identity or "", idempotency_key))
        return None if row is None else run_from(row)

    async def list_runs(
        self, thread_id: str, caller: Caller, *, limit: int = 10, offset: int = 0, status: RunStatus | None = None
    ) -> list[Run]:
        """A thread's runs, newest first."""
        rows = await self._database.read(
            f"""SELECT {COLUMNS} FROM runs WHERE thread_id = :thread AND (:status IS NULL OR status = :status)
                ORDER BY seq DESC LIMIT :limit OFFSET :offset""",
            {"thread": thread_id, "status": status, "limit": limit, "offset": offset},
        )
        return readable(run_from, [row for row in rows if await self._thread_seen(row[1], caller)])

    async def sequence(self, run_id: str) -> int | None:
        """The place of a run in the order of acceptance."""
        row = await self._database.read_one("SELECT seq FROM runs WHERE run_id = ?", (run_id,))
        return None if row is None else int(row[0])

    async def newest_sequence(self) -> int:
        """The place of the newest run that was ever accepted."""
        row = await self._database.read_one(f"SELECT {self._database.dialect.newest_place}")
        return int(row[0]) if row else 0

    async def runs_from(self, thread_id: str, caller: Caller, *, sequence: int = 0) -> list[Run]:
        """A thread's runs from a place in the order of acceptance on, in that order."""
        rows = await self._database.read(
            f"SELECT {COLUMNS} FROM runs WHERE thread_id = :thread AND seq >= :seq ORDER BY seq",
            {"thread": thread_id, "seq": sequence},
        )
        return readable(run_from, [row for row in rows if await self._thread_seen(row[1], caller)])

    async def active_runs(self, caller: Caller, *, status: RunStatus | None = None) -> list[Run]:
        """All pending and running runs (or those of one of these statuses), in order of acceptance."""
        rows = await self._database.read(
            f"""SELECT {COLUMNS} FROM runs WHERE status IN ('pending', 'running')
                AND (:status IS NULL OR status = :status) ORDER BY seq""",
            {"status": status},
        )
        return readable(run_from, [row for row in rows if await self._thread_seen(row[1], caller)])

    async def next_due(self, *, now: str) -> str | None:
        """When the earliest delayed run becomes due, if one waits for its time."""
        row = await self._database.read_one(
            f"SELECT min(due_at) FROM runs WHERE status = 'pending' AND NOT {DUE}", {"now": now}
        )
        return None if row is None else row[0]

    async def longest_wait(self, now: datetime) -> float:
        """For how many seconds the pending run that is due longest could have been running."""
        row = await self._database.read_one(
            f"SELECT min(due_at) FROM runs WHERE status = 'pending' AND {DUE}", {"now": timestamp(now)}
        )
        return 0.0 if row is None or row[0] is None else seconds_since(row[0], now)

    async def depth(self) -> QueueDepth:
        rows: dict[str, int] = dict(
            await self._database.read(
                "SELECT status, count(*) FROM runs WHERE status IN ('pending', 'running') GROUP BY 1"
            )
        )
        return QueueDepth(pending=rows.get("pending", 0), running=rows.get("running", 0))

    async def something_waits(self, *, now: str) -> bool:
        """Whether there is a run that is due and was not started."""
        query = f"SELECT 1 FROM runs WHERE status = 'pending' AND {DUE} LIMIT 1"
        return await self._database.read_one(query, {"now": now}) is not None
