"""What a run meets when it is accepted, inside the transaction that stores it: its key, its thread, and other runs."""

from __future__ import annotations

from dataclasses import dataclass

from threadkeep.callers import Caller
from threadkeep.errors import ConflictError, NotFoundError
from threadkeep.runs.endings import end_pending
from threadkeep.runs.records import COLUMNS, run_from
from threadkeep.runs.run import Run
from threadkeep.storage.connection import Connection, Row
from threadkeep.storage.intents import deletion_decided
from threadkeep.storage.thread_rows import Thread, insert_thread, owned_thread

BY_KEY = f"SELECT {COLUMNS} FROM runs WHERE ifnull(owner, '') = ? AND idempotency_key = ?"
_BUSY = "Thread is already running a task. Wait for it to finish or choose a different multitask strategy."


def find_by_key(connection: Connection, run: Run) -> Run | None:
    if run.idempotency_key is None:
        return None
    row = connection.execute(BY_KEY, (run.owner or "", run.idempotency_key)).fetchone()
    return None if row is None else run_from(row)


def thread_for(connection: Connection, run: Run, caller: Caller, new_thread: Thread | None) -> Thread:
    if deletion_decided(connection, run.thread_id):
        raise ConflictError(f"Thread {run.thread_id} is being deleted.")
    try:
        return owned_thread(connection, run.thread_id, caller)
    except NotFoundError:
        if new_thread is None:
            raise
        # Somebody else's thread of that id is as good as absent to this caller, but its id is taken.
        if connection.execute("SELECT 1 FROM threads WHERE thread_id = ?", (run.thread_id,)).fetchone():
            raise
        insert_thread(connection, new_thread)
        return new_thread


def mark_cancelled(connection: Connection, run_id: str, action: str, reason: str) -> None:
    connection.execute("UPDATE runs SET cancel = ?, cancel_reason = ? WHERE run_id = ?", (action, reason, run_id))
    connection.tell(f"cancel {run_id}")


@dataclass(frozen=True, slots=True)
class Way:
    """What a run meets on its thread."""

    is_free: bool
    """No other run waits or executes there."""
    to_stop: tuple[str, ...] = ()
    """Running runs that have to be told to stop."""


def make_way(connection: Connection, run: Run) -> Way:
    active: list[Row] = connection.execute(
        "SELECT run_id, status FROM runs WHERE thread_id = ? AND status IN ('pending', 'running') ORDER BY seq",
        (run.thread_id,),
    ).fetchall()
    if not active or run.multitask_strategy == "enqueue":
        return Way(is_free=not active)
    if run.multitask_strategy == "reject":
        raise ConflictError(_BUSY)
    reason = f"{run.multitask_strategy} by run {run.run_id}"
    for run_id, status in active:
        if status == "pending":
            end_pending(connection, run_id, run.multitask_strategy, reason, run.created_at)
        else:
            mark_cancelled(connection, run_id, run.multitask_strategy, reason)
    return Way(is_free=False, to_stop=tuple(run_id for run_id, status in active if status == "running"))
