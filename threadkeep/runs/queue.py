"""The durable run queue: what was accepted, which run executes next, how each one ended.

The rules it keeps, each in one transaction: a run is stored with its input before anybody is told of it; a thread has
at most one running run, and its runs start in the order they were accepted; every start is counted before it happens;
a run's end and its thread's status change together. How a run executes is `execute.py`'s business, when to ask
`worker.py`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import Any

from threadkeep import json
from threadkeep.callers import Caller
from threadkeep.runs.early_ends import EarlyEnds
from threadkeep.runs.endings import delete_run, end_pending, settle_if_idle, store_end
from threadkeep.runs.entering import Accepted, Starter, enter, find_by_key, mark_cancelled
from threadkeep.runs.quotas import Quotas
from threadkeep.runs.records import COLUMNS, run_to_end
from threadkeep.runs.run import CancelAction, Ending, Run, RunStatus, cancelled_ending
from threadkeep.runs.stored_runs import DUE, StoredRuns
from threadkeep.storage.connection import Connection, Row
from threadkeep.storage.database import Database
from threadkeep.storage.intents import Intent, add_intent
from threadkeep.storage.thread_rows import Thread, thread_key
from threadkeep.streams.live import Event

NO_PROGRESS = "/0"
"""What `runs.progress` says (see `resume.Position`) of a run that has neither made a checkpoint nor taken an answer."""

# A delayed run that others have passed takes its place in the order when it starts: whoever follows a whole thread
# counts on every run coming after those it has seen.
_PASSED = """EXISTS (SELECT 1 FROM runs AS other WHERE other.thread_id = runs.thread_id AND other.seq > runs.seq
                         AND other.attempt > 0)"""


class RunQueue(StoredRuns):
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
        super().__init__(database)
        self._early_ends = EarlyEnds(database)
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

        Without `durable` it returns at the commit, which a killed process keeps, and which gets to the disk soon; only
        after `sync` may anybody be told.
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
            if stored is not None:
                self._database.sync_soon()
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

    async def sync(self, upto: int | None = None) -> None:
        """Return once every run that was accepted or started so far, or up to that place, is safe from a power cut."""
        await self._database.sync(self.starts if upto is None else upto)

    def start_sync(self, upto: int) -> None:
        """Begin with what `sync` will wait for."""
        self._database.start_sync(upto)

    @property
    def starts(self) -> int:
        """Up to which place `sync` has to wait for all acceptances and starts until now."""
        return self._database.promised

    async def until_end_is_safe(self, thread_id: str) -> None:
        """Return once the last end on the thread cannot be lost any more: only then may its state change again."""
        await self._early_ends.until_safe(thread_id)

    async def claim(
        self, *, now: str, limit: int, full_graphs: Sequence[str] = (), other_than: Sequence[str] = ()
    ) -> list[Run]:
        """Start up to `limit` due runs on idle threads, rescued ones first, then in order of acceptance.

        None of a graph that is full, and none on the threads of `other_than`. One that cannot be read has an `error`,
        with which it is to end.
        """

        def work(connection: Connection) -> list[Run]:
            leased, lease = self._lease(connection)
            rows = connection.execute(
                f"""SELECT seq, thread_id FROM runs AS r
                   WHERE status = 'pending' AND {DUE}
                     AND graph_id NOT IN (SELECT value FROM json_each(:full))
                     AND thread_id NOT IN (SELECT value FROM json_each(:other_than))
                     AND NOT EXISTS (SELECT 1 FROM runs WHERE thread_id = r.thread_id AND status = 'running')
                     AND NOT EXISTS (SELECT 1 FROM runs WHERE thread_id = r.thread_id AND status = 'pending'
                                       AND seq < r.seq AND {DUE})
                   ORDER BY attempt = 0, seq LIMIT :limit {connection.dialect.claimable}""",
                {
                    "now": now,
                    "full": json.dumps_text(list(full_graphs)),
                    "other_than": json.dumps_text(list(other_than)),
                    "limit": limit,
                },
            ).fetchall()
            return [
                run_to_end(connection, row)
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

        claimed = await self._database.write(work, durable=False)
        if claimed:
            self._database.sync_soon()
        return claimed

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

    async def finish(
        self, run: Run, ending: Ending, *, now: str, final: Event | None = None, early: bool = False
    ) -> Ending | None:
        """End the run, settle its thread and store its terminal event, if it has one to keep.

        Gives back the ending that counts: a cancellation decided before this moment wins over what the graph came to.
        None when this attempt no longer holds the run: then nothing was changed. An `early` one is given back at the
        commit; if something else counts, that is on the disk first as every other is.
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

        with self._early_ends.coming(run.thread_id) if early else nullcontext():
            settled = await self._database.write(work, durable=not early)
            if early and settled is ending:
                self._early_ends.add(run.thread_id)
            elif early:
                await self._database.sync()
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

    async def delete(self, run: Run, *, now: str) -> None:
        """Forget an ended run with its checkpoints."""

        def work(connection: Connection) -> None:
            connection.lock(thread_key(run.thread_id))
            add_intent(connection, Intent("delete_run", run.thread_id, run.run_id))
            delete_run(connection, run.thread_id, run.run_id)
            settle_if_idle(connection, run.thread_id, now)

        await self._database.write(work)
