"""How a run's end is stored: the run, its thread, its last event, its webhook, all in the queue's one transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from threadkeep import json
from threadkeep.clock import new_uuid7, timestamp
from threadkeep.runs.quotas import count_tokens
from threadkeep.runs.records import COLUMNS, run_to_end
from threadkeep.runs.run import Ending, Run
from threadkeep.runs.wire import run_wire
from threadkeep.storage.connection import Connection
from threadkeep.storage.intents import Intent, add_intent
from threadkeep.storage.interactions import count_interaction
from threadkeep.storage.outbox import Webhook, add_webhook
from threadkeep.storage.thread_rows import set_status
from threadkeep.storage.thread_texts import note_conversation
from threadkeep.storage.thread_usage import NOTHING_USED, add_thread_usage
from threadkeep.storage.traces import forget_trace
from threadkeep.streams.event_store import close_events
from threadkeep.streams.live import Event

_KEPT_FOR_LATE_READERS = timedelta(minutes=2)


def settle_if_idle(connection: Connection, thread_id: str, now: str) -> None:
    """A thread whose last active run went away without an ending of its own is idle again."""
    connection.execute(
        """UPDATE threads SET status = CASE WHEN interrupts != '{}' THEN 'interrupted' ELSE 'idle' END, updated_at = ?
           WHERE thread_id = ? AND status = 'busy'
             AND NOT EXISTS (SELECT 1 FROM runs WHERE thread_id = threads.thread_id
                               AND status IN ('pending', 'running'))""",
        (now, thread_id),
    )


def end_pending(connection: Connection, run_id: str, action: str, reason: str, now: str) -> None:
    """A run that waits is stopped at once. One that has started before (rescued, released) may own checkpoints."""
    [row] = connection.execute(f"SELECT {COLUMNS} FROM runs WHERE run_id = ?", (run_id,)).fetchall()
    run = replace(run_to_end(connection, row), cancel_reason=reason)
    _tell(connection, run, Ending("interrupted", "interrupted", values=b"{}"), now)
    connection.tell(f"end {run_id} {run.thread_id}")
    if action == "rollback":
        if run.attempt > 0:
            add_intent(connection, Intent("delete_run", run.thread_id, run_id))
        delete_run(connection, run.thread_id, run_id)
    else:
        connection.execute(
            """UPDATE runs SET status = 'interrupted', cancel = ?, cancel_reason = ?, updated_at = ?, ended_at = ?
               WHERE run_id = ?""",
            (action, reason, now, now, run_id),
        )


def delete_run(connection: Connection, thread_id: str, run_id: str) -> None:
    """The run with its events, its feedback and its trace."""
    forget_trace(connection, thread_id, run_id)
    connection.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))


def store_end(
    connection: Connection, run: Run, ending: Ending, now: str, final: Event | None, *, kept: bool = False
) -> None:
    """`kept`: somebody at another process waits for the end, also of a run whose thread goes with it."""
    if ending.rolled_back:
        add_intent(connection, Intent("delete_run", run.thread_id, run.run_id))
        delete_run(connection, run.thread_id, run.run_id)
    else:
        _store_ending(connection, run, ending, now)
        if final is not None:
            close_events(connection, run.run_id, final, transient=not run.kwargs.stream_resumable)
    _settle_thread(connection, run, ending, now)
    _tell(connection, run, ending, now)
    usage = ending.outcome.get("usage", NOTHING_USED)
    count_tokens(connection, run, usage["total_tokens"], now=now)
    add_thread_usage(connection, run.thread_id, usage)
    count_interaction(
        connection,
        graph_id=run.graph_id,
        user_id=run.user_id,
        success=ending.status == "success",
        seconds=float(ending.outcome.get("duration", 0.0)),
        tokens=usage["total_tokens"],
        cost_usd=usage["cost_usd"],
    )
    if run.kwargs.temporary and (run.kwargs.stream_resumable or kept):
        # Whoever lost the connection may still come for the rest; then it goes as threads do whose time has come.
        gone = timestamp(datetime.fromisoformat(now) + _KEPT_FOR_LATE_READERS)
        connection.execute("UPDATE threads SET expires_at = ? WHERE thread_id = ?", (gone, run.thread_id))
    elif run.kwargs.temporary:
        add_intent(connection, Intent("delete_thread", run.thread_id))


def _store_ending(connection: Connection, run: Run, ending: Ending, now: str) -> None:
    connection.execute(
        "UPDATE runs SET status = ?, error = ?, outcome = ?, updated_at = ?, ended_at = ? WHERE run_id = ?",
        (
            ending.status,
            None if ending.error is None else json.dumps_text(ending.error),
            json.dumps_text(ending.outcome),
            now,
            now,
            run.run_id,
        ),
    )


def _settle_thread(connection: Connection, run: Run, ending: Ending, now: str) -> None:
    note_conversation(connection, run.thread_id, ending.opening, ending.preview)
    set_status(
        connection,
        run.thread_id,
        status=ending.thread_status,
        now=now,
        interrupts=ending.interrupts,
        error=ending.thread_error,
        preview=ending.preview,
    )


def _tell(connection: Connection, run: Run, ending: Ending, now: str) -> None:
    """Leave the run's webhook in the outbox: the run as clients see it, when it ran, and what it came to."""
    if run.kwargs.webhook is None:
        return
    ended = replace(run, status=ending.status, error=ending.error, outcome=ending.outcome, updated_at=now)
    told = {**run_wire(ended), "run_started_at": run.started_at, "run_ended_at": now}
    payload = json.dumps(told)[:-1] + b',"values":' + (ending.values or b"null") + b"}"
    connection.tell("outbox")
    webhook_id = str(new_uuid7(datetime.fromisoformat(now)))
    add_webhook(connection, Webhook(webhook_id, run.run_id, run.kwargs.webhook, payload, now, run.owner))
