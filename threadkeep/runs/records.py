"""A run as a row of the `runs` table, both ways."""

from __future__ import annotations

from dataclasses import replace

import structlog

from threadkeep import json
from threadkeep.runs.run import Run, RunKwargs
from threadkeep.storage.connection import Connection, Row
from threadkeep.storage.readable import UnreadableRowError, reads

log = structlog.get_logger("threadkeep.runs")

COLUMNS = """run_id, thread_id, assistant_id, graph_id, owner, user_id, status, multitask_strategy, metadata, kwargs,
    idempotency_key, due_at, attempt, failed_attempts, progress, cancel, error, outcome, created_at, updated_at,
    started_at, ended_at, cancel_reason"""


def insert_run(connection: Connection, run: Run) -> None:
    connection.execute(
        f"""INSERT INTO runs (seq, {COLUMNS})
            VALUES ({connection.dialect.next_place}, {", ".join("?" * 23)})""",
        (
            run.run_id,
            run.thread_id,
            run.assistant_id,
            run.graph_id,
            run.owner,
            run.user_id,
            run.status,
            run.multitask_strategy,
            json.dumps_text(run.metadata),
            json.dumps_text(run.kwargs),
            run.idempotency_key,
            run.due_at or run.created_at,
            run.attempt,
            run.failed_attempts,
            run.progress,
            run.cancel,
            None if run.error is None else json.dumps_text(run.error),
            json.dumps_text(run.outcome),
            run.created_at,
            run.updated_at or run.created_at,
            run.started_at,
            run.ended_at,
            run.cancel_reason,
        ),
    )


def as_stored(run: Run) -> Run:
    """The run as it would be read back: what JSON cannot hold is replaced, and nothing of it is anybody else's."""
    return replace(
        run,
        metadata=json.loads(json.dumps_text(run.metadata)),
        kwargs=RunKwargs(**json.loads(json.dumps_text(run.kwargs))),
    )


@reads("run")
def run_from(row: Row) -> Run:
    return Run(
        run_id=row[0],
        thread_id=row[1],
        assistant_id=row[2],
        graph_id=row[3],
        owner=row[4],
        user_id=row[5],
        status=row[6],
        multitask_strategy=row[7],
        metadata=json.loads(row[8]),
        kwargs=RunKwargs(**json.loads(row[9])),
        idempotency_key=row[10],
        due_at=row[11],
        attempt=row[12],
        failed_attempts=row[13],
        progress=row[14],
        cancel=row[15],
        error=None if row[16] is None else json.loads(row[16]),
        outcome=json.loads(row[17]),
        created_at=row[18],
        updated_at=row[19],
        started_at=row[20],
        ended_at=row[21],
        cancel_reason=row[22],
    )


def run_to_end(connection: Connection, row: Row) -> Run:
    """The run; one that cannot be read has nothing left to do, and an `error` that says so: here and in its row."""
    try:
        return run_from(row)
    except UnreadableRowError as problem:
        log.error("run_unreadable", run_id=row[0], thread_id=row[1], error=str(problem))
        told = json.dumps_text({"error": "UnreadableRun", "message": str(problem)})
    connection.execute(
        "UPDATE runs SET metadata = '{}', kwargs = '{}', outcome = '{}', error = ? WHERE run_id = ?", (told, row[0])
    )
    return run_from((*row[:8], "{}", "{}", *row[10:16], told, "{}", *row[18:]))
