"""What a run meets when it is accepted, inside the transaction that stores it: its key, its thread, and other runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from threadkeep import json
from threadkeep.callers import Caller
from threadkeep.errors import ConflictError, NotFoundError
from threadkeep.runs.endings import end_pending
from threadkeep.runs.quotas import Quotas
from threadkeep.runs.records import COLUMNS, as_stored, insert_run, run_from
from threadkeep.runs.run import Run
from threadkeep.storage.connection import Connection, Row
from threadkeep.storage.intents import deletion_decided
from threadkeep.storage.thread_rows import Thread, insert_thread, merge_metadata, owned_thread, thread_key

BY_KEY = f"SELECT {COLUMNS} FROM runs WHERE ifnull(owner, '') = ? AND idempotency_key = ?"
_BUSY = "Thread is already running a task. Wait for it to finish or choose a different multitask strategy."


@dataclass(frozen=True, slots=True)
class Accepted:
    run: Run
    is_new: bool
    to_stop: tuple[str, ...] = ()
    """Running runs that must be told to stop; what their end does is already decided in their rows."""
    started: Run | None = None
    """The run as it is carried out, when it was started along with its acceptance."""


class Starter(Protocol):
    """Who carries out runs, asked whether there is a place for one that is being accepted."""

    def reserve(self, run: Run) -> bool:
        """Keep a place for the run, if it may begin as soon as it is stored; `begin` or `let_go` follows."""

    def begin(self, run: Run) -> None: ...

    def let_go(self, run_id: str) -> None:
        """The run was not stored as started: its place, if one was kept, is free again."""


@dataclass(frozen=True, slots=True)
class Way:
    """What a run meets on its thread."""

    is_free: bool
    """No other run waits or executes there."""
    to_stop: tuple[str, ...] = ()
    """Running runs that have to be told to stop."""


def enter(
    connection: Connection, run: Run, caller: Caller, new_thread: Thread | None, quotas: Quotas, starter: Starter | None
) -> Accepted:
    """Store the run, and decide what becomes of it and of those it meets.

    One that is due, and meets no other on its thread, is stored as started where the `starter` has a place.
    """
    thread = thread_for(connection, run, caller, new_thread)
    way = make_way(connection, run)
    quotas.require_room(connection, run)
    started = None
    if starter is not None and way.is_free and run.due_at <= run.created_at:
        started = _started(connection, run, starter)
    insert_run(connection, started or run)
    merge_metadata(connection, thread, {"graph_id": run.graph_id, "assistant_id": run.assistant_id})
    connection.execute(
        """UPDATE threads SET status = 'busy', updated_at = ?, graph_id = ifnull(graph_id, ?), config = ?
           WHERE thread_id = ?""",
        (run.created_at, run.graph_id, json.dumps_text(run.kwargs.config), run.thread_id),
    )
    connection.tell(f"run {run.run_id} {run.thread_id}")
    return Accepted(run, True, way.to_stop, started)


def _started(connection: Connection, run: Run, starter: Starter) -> Run | None:
    """The new run at its first attempt, if it may begin at once."""
    if not connection.try_lock(thread_key(run.thread_id)):
        return None
    begun = replace(run, status="running", attempt=1, started_at=run.created_at, updated_at=run.created_at)
    started = as_stored(begun)  # the first attempt is given what a later one would be
    return started if starter.reserve(started) else None


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
