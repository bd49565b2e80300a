"""The durable run queue: what was accepted, which run executes next, how each one ended.

The rules it keeps, each in one transaction: a run is stored with its input before anybody is told of it; a thread has
at most one running run, and its runs start in the order they were accepted; every start is counted before it happens;
a run's end and its thread's status change together. How a run executes is `execute.py`'s business, when to ask
`worker.py`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from threadkeep import json
from threadkeep.callers import Caller
from threadkeep.clock import seconds_since, timestamp
from threadkeep.errors import NotFoundError
from threadkeep.runs.endings import delete_run, end_pending, settle_if_idle, store_end
from threadkeep.runs.entering import BY_KEY, Accepted, Starter, enter, find_by_key, mark_cancelled
from threadkeep.runs.quotas import Quotas
from threadkeep.runs.records import COLUMNS, run_from
from threadkeep.runs.run import CancelAction, Ending, Run, RunStatus, cancelled_ending
from threadkeep.storage.connection import Connection, Row
from threadkeep.storage.database import Database
from threadkeep.storage.intents import Intent, add_intent
from threadkeep.storage.metadata import visible
from threadkeep.storage.thread_rows import Thread, thread_key
from threadkeep.streams.live import Event

NO_PROGRESS = "/0"
"""What `runs.progress` says (see `resume.Position`) of a run that has neither made a checkpoint nor taken an answer."""

# A delayed run that others have passed takes its place in the order when it starts: whoever follows a whole thread
# counts on every run coming after those it has seen.
_PASSED = """EXISTS (SELECT 1 FROM runs AS other WHERE other.thread_id = runs.thread_id AND other.seq > runs.seq
                         AND other.attempt > 0)"""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    pending: int
    running: int


class RunQueue:
    def __init__(
        self,
        database: Database,
        *,
        on_end: Callable[[], None] = lambda: None,
        quotas: Quotas | None = None,
        worker_id: str | None = None,
        lease_seconds: float = 0.0,
    ) -> None:
        """`on_end` is told when a run with a webhook may have ended: it waits in the outbox then.

        Where several processes share the queue, each claims as `worker_id`, for `lease_seconds`.
        """
        self._database = database
        self._on_end = on_end
        self._quotas = quotas or Quotas()
        self.worker_id = worker_id
        self._lease_seconds = lease_seconds

    async def enqueue(
        self,
        run: Run,
        caller: Caller,
        *,
        new_thread: Thread | None = None,
        durable: bool = True,
        together_with: Callable[[Connection], None] | None = None,
        starter: Starter | None = None,
    ) -> Accepted:
        """Store an accepted run and decide what its multitask strategy means now.

        Without `durable` it returns at the commit, which a killed process keeps; `sync` then makes it safe from a power
        cut, and only after that may anybody be told.
        `new_thread` is made when the thread does not exist yet. A known idempotency key gives the run it made before.
        What `together_with` does is part of the transaction. A run that is due, and meets no other on its thread, is
        started in it too where the `starter` has a place: a claim of its own would be a second transaction. It begins
        at the commit, whether or not the caller is still there.
        Raises `NotFoundError` for a thread that is not there or not the caller's, `ConflictError` for `reject`,
        `LimitedError` for one run too many.
        """

        def work(connection: Connection) -> Accepted:
            connection.lock(thread_key(run.thread_id))
            if (known := find_by_key(connection, run)) is not None:
                return Accepted(known, is_new=False)
            if together_with is not None:
                together_with(connection)
            accepted = enter(connection, run, caller, new_thread, self._quotas, starter)
            if accepted.started is not None:
                self._take_lease(connection, run.run_id)
            return accepted

        def settled(done: asyncio.Future[Accepted]) -> None:
            stored = None if done.cancelled() or done.exception() else done.result()
            if starter is not None and stored is not None and stored.started is not None:
                starter.begin(stored.started)
            elif starter is not None:
                starter.let_go(run.run_id)

        accepted = await self._database.write(work, durable=durable, settled=settled)
        if run.multitask_strategy in ("interrupt", "rollback"):
            self._on_end()
        return accepted

    def hold(self, thread_id: str) -> AbstractAsyncContextManager[None]:
        """No process starts a run on the thread while the block lasts."""
        return self._database.hold(thread_key(thread_id))

    async def sync(self) -> None:
        """Return once every accepted run is safe from a power cut."""
        await self._database.sync()

    async def claim(
        self, *, now: str, limit: int, full_graphs: Sequence[str] = (), other_than: Sequence[str] = ()
    ) -> list[Run]:
        """Start up to `limit` due runs on idle threads, rescued ones first, then in order of acceptance.

        None of a graph that is full, and none on the threads of `other_than`.
        """

        def work(connection: Connection) -> list[Run]:
            leased, lease = self._lease(connection)
            rows = connection.execute(
                f"""SELECT seq, thread_id FROM runs AS r
                   WHERE status = 'pending' AND due_at <= :now
                     AND graph_id NOT IN (SELECT value FROM json_each(:full))
                     AND thread_id NOT IN (SELECT value FROM json_each(:other_than))
                     AND NOT EXISTS (SELECT 1 FROM runs WHERE thread_id = r.thread_id AND status = 'running')
                     AND NOT EXISTS (SELECT 1 FROM runs WHERE thread_id = r.thread_id AND status = 'pending'
                                       AND seq < r.seq AND due_at <= :now)
                   ORDER BY attempt = 0, seq LIMIT :limit {connection.dialect.claimable}""",
                {
                    "now": now,
                    "full": json.dumps_text(list(full_graphs)),
                    "other_than": json.dumps_text(list(other_than)),
                    "limit": limit,
                },
            ).fetchall()
            return [
                run_from(row)
                for seq, thread_id in rows
                if connection.try_lock(thread_key(thread_id))
                for row in connection.execute(
                    f"""UPDATE runs SET status = 'running', attempt = attempt + 1, updated_at = ?,
                            started_at = ifnull(started_at, ?), seq = CASE WHEN attempt = 0 AND {_PASSED}
                                THEN {connection.dialect.next_place} ELSE seq END{leased}
                        WHERE seq = ? AND status = 'pending' AND NOT EXISTS (
                            SELECT 1 FROM runs AS other WHERE other.thread_id = runs.thread_id
                                                          AND other.status = 'running')
                        RETURNING {COLUMNS}""",
                    (now, now, *lease, seq),
                ).fetchall()
            ]

        return await self._database.write(work, durable=False)

    async def something_waits(self, *, now: str) -> bool:
        """Whether there is a run that is due and was not started."""
        query = "SELECT 1 FROM runs WHERE status = 'pending' AND due_at <= ? LIMIT 1"
        return await self._database.read_one(query, (now,)) is not None

    async def note_attempt(self, run: Run, *, progress: str) -> int:
        """Compare a repeated attempt's starting point with the last one's; how many starts in a row got nowhere."""
        failed = run.failed_attempts + 1 if run.attempt > 1 and progress == (run.progress or NO_PROGRESS) else 0

        def work(connection: Connection) -> None:
            connection.execute(
                "UPDATE runs SET failed_attempts = ?, progress = ? WHERE run_id = ? AND attempt = ?",
                (failed, progress, run.run_id, run.attempt),
            )

        await self._database.write(work)
        return failed

    async def finish(self, run: Run, ending: Ending, *, now: str, final: Event | None = None) -> Ending | None:
        """End the run, settle its thread and store its terminal event, if it has one to keep.

        Gives back the ending that counts: a cancellation decided before this moment wins over what the graph came to.
        None when this attempt no longer holds the run: then nothing was changed.
        """

        def work(connection: Connection) -> Ending | None:
            connection.lock(thread_key(run.thread_id))
            held: list[Row] = connection.execute(
                "SELECT cancel FROM runs WHERE run_id = ? AND attempt = ? AND status = 'running'",
                (run.run_id, run.attempt),
            ).fetchall()
            if not held:
                return None
            action = held[0][0]
            settled = ending
            if action is not None and ending.status != "interrupted":
                settled = replace(
                    cancelled_ending(action),
                    outcome=ending.outcome,
                    opening=ending.opening,
                    preview=ending.preview,
                    values=ending.values,
                )
            store_end(connection, run, settled, now, final, kept=self._is_awaited_elsewhere(run))
            connection.tell(f"end {run.run_id} {run.thread_id}")
            return settled

        settled = await self._database.write(work)
        if run.kwargs.webhook is not None:
            self._on_end()
        return settled

    async def request_cancel(self, run: Run, action: CancelAction, *, reason: str, now: str) -> RunStatus | None:
        """Decide that an active run stops; a pending one ends at once.

        Gives the status in which it was found, or None when it had already ended.
        """

        def work(connection: Connection) -> RunStatus | None:
            connection.lock(thread_key(run.thread_id))
            found: list[Row] = connection.execute(
                "SELECT status FROM runs WHERE run_id = ? AND status IN ('pending', 'running')", (run.run_id,)
            ).fetchall()
            if not found:
                return None
            status: RunStatus = found[0][0]
            if status == "running":
                mark_cancelled(connection, run.run_id, action, reason)
            else:
                end_pending(connection, run.run_id, action, reason, now)
                settle_if_idle(connection, run.thread_id, now)
            return status

        found = await self._database.write(work)
        self._on_end()
        return found

    async def release(self, run: Run, *, now: str, counts: bool = False) -> None:
        """Put back a run that was given up for no fault of its own: unless it `counts`, that start is forgotten.

        Also of one that has been offered again meanwhile, as long as nobody has started it.
        """
        forgotten = "" if counts else "failed_attempts = -1, "

        def work(connection: Connection) -> None:
            connection.execute(
                f"""UPDATE runs SET status = 'pending', {forgotten}updated_at = ?
                    WHERE run_id = ? AND attempt = ? AND status IN ('pending', 'running')""",
                (now, run.run_id, run.attempt),
            )
            connection.tell(f"run {run.run_id} {run.thread_id}")

        await self._database.write(work)

    async def rescue(self, *, now: str) -> int:
        """Offer again what a process left running that is no more. How many runs that were.

        A data folder has one process, so that at its start this is all that was running; where several share a
        database, it is what nobody's lease covers.
        """
        leases = self._database.dialect.leases
        left = "status = 'running' AND lease_until < clock_timestamp()" if leases else "status = 'running'"
        if leases and not await self._database.read(f"SELECT 1 FROM runs WHERE {left} LIMIT 1"):
            return 0

        def work(connection: Connection) -> int:
            sql = f"UPDATE runs SET status = 'pending', updated_at = ? WHERE {left} RETURNING run_id, thread_id"
            rows = connection.execute(sql, (now,)).fetchall()
            for run_id, thread_id in rows:
                connection.tell(f"run {run_id} {thread_id}")
            return len(rows)

        return await self._database.write(work)

    def _lease(self, connection: Connection) -> tuple[str, tuple[Any, ...]]:
        """What else a start stores: who runs it, and until when that is believed."""
        if not connection.dialect.leases:
            return "", ()
        lease = ", worker = ?, lease_until = clock_timestamp() + ? * interval '1 second'"
        return lease, (self.worker_id, self._lease_seconds)

    def _take_lease(self, connection: Connection, run_id: str) -> None:
        leased, lease = self._lease(connection)
        if leased:
            connection.execute(f"UPDATE runs SET {leased.removeprefix(', ')} WHERE run_id = ?", (*lease, run_id))

    def _is_awaited_elsewhere(self, run: Run) -> bool:
        """Whether the client that wants to know what the run came to asks another process."""
        return run.kwargs.home is not None and run.kwargs.home != self.worker_id

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
        row = await self._database.read_one("SELECT owner, metadata FROM threads WHERE thread_id = ?", (thread_id,))
        return row is not None and visible(row[0], json.loads(row[1]), caller)

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
        return [run_from(row) for row in rows if await self._thread_seen(row[1], caller)]

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
        return [run_from(row) for row in rows if await self._thread_seen(row[1], caller)]

    async def active_runs(self, caller: Caller, *, status: RunStatus | None = None) -> list[Run]:
        """All pending and running runs (or those of one of these statuses), in order of acceptance."""
        rows = await self._database.read(
            f"""SELECT {COLUMNS} FROM runs WHERE status IN ('pending', 'running')
                AND (:status IS NULL OR status = :status) ORDER BY seq""",
            {"status": status},
        )
        return [run_from(row) for row in rows if await self._thread_seen(row[1], caller)]

    async def delete(self, run: Run, *, now: str) -> None:
        """Forget an ended run with its checkpoints."""

        def work(connection: Connection) -> None:
            connection.lock(thread_key(run.thread_id))
            add_intent(connection, Intent("delete_run", run.thread_id, run.run_id))
            delete_run(connection, run.thread_id, run.run_id)
            settle_if_idle(connection, run.thread_id, now)

        await self._database.write(work)

    async def next_due(self, *, now: str) -> str | None:
        """When the earliest delayed run becomes due, if one waits for its time."""
        row = await self._database.read_one(
            "SELECT min(due_at) FROM runs WHERE status = 'pending' AND due_at > ?", (now,)
        )
        return None if row is None else row[0]

    async def longest_wait(self, now: datetime) -> float:
        """For how many seconds the pending run that is due longest could have been running."""
        row = await self._database.read_one(
            "SELECT min(due_at) FROM runs WHERE status = 'pending' AND due_at <= ?", (timestamp(now),)
        )
        return 0.0 if row is None or row[0] is None else seconds_since(row[0], now)

    async def depth(self) -> QueueDepth:
        rows: dict[str, int] = dict(
            await self._database.read(
                "SELECT status, count(*) FROM runs WHERE status IN ('pending', 'running') GROUP BY 1"
            )
        )
        return QueueDepth(pending=rows.get("pending", 0), running=rows.get("running", 0))
