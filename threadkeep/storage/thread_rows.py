"""A thread as a row of the `threads` table, both ways, and what a transaction does with one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from threadkeep import json
from threadkeep.callers import Caller
from threadkeep.clock import timestamp
from threadkeep.errors import NotFoundError
from threadkeep.storage.connection import Connection, Row
from threadkeep.storage.metadata import store_leaves, visible
from threadkeep.storage.readable import reads
from threadkeep.storage.thread_texts import add_texts, note_title

ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
"""idle: nothing to do. busy: a run is pending or running. interrupted: waits for an answer. error: its run failed."""
THREAD_STATUSES: tuple[str, ...] = get_args(ThreadStatus)

COLUMNS = """thread_id, owner, user_id, graph_id, status, metadata, config, interrupts, error, preview, ttl,
    expires_at, created_at, updated_at, state_updated_at"""


@dataclass(frozen=True, slots=True)
class Thread:
    thread_id: str
    created_at: str
    owner: str | None = None
    user_id: str | None = None
    graph_id: str | None = None
    status: ThreadStatus = "idle"
    metadata: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    interrupts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    preview: str | None = None
    ttl: dict[str, Any] | None = None
    expires_at: str | None = None
    updated_at: str = ""
    state_updated_at: str = ""


def thread_key(thread_id: str) -> str:
    """What a transaction locks that changes a thread, its runs, or what is decided about it."""
    return f"thread:{thread_id}"


def insert_thread(connection: Connection, thread: Thread) -> None:
    connection.execute(
        f"INSERT INTO threads ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            thread.thread_id,
            thread.owner,
            thread.user_id,
            thread.graph_id,
            thread.status,
            json.dumps_text(thread.metadata),
            json.dumps_text(thread.config),
            json.dumps_text(thread.interrupts),
            None if thread.error is None else json.dumps_text(thread.error),
            thread.preview,
            None if thread.ttl is None else json.dumps_text(thread.ttl),
            thread.expires_at,
            thread.created_at,
            thread.updated_at or thread.created_at,
            thread.state_updated_at or thread.created_at,
        ),
    )
    store_leaves(connection, thread.thread_id, thread.metadata)
    add_texts(connection, thread.thread_id, thread.owner, thread.metadata.get("title"), thread.preview)


def find_thread(connection: Connection, thread_id: str) -> Thread | None:
    row = connection.execute(f"SELECT {COLUMNS} FROM threads WHERE thread_id = ?", (thread_id,)).fetchone()
    return None if row is None else thread_from(row)


def owned_thread(connection: Connection, thread_id: str, caller: Caller) -> Thread:
    return seen(find_thread(connection, thread_id), thread_id, caller)


def seen(thread: Thread | None, thread_id: str, caller: Caller) -> Thread:
    if thread is None or not visible(thread.owner, thread.metadata, caller):
        raise missing(thread_id)
    return thread


def merge_metadata(connection: Connection, thread: Thread, metadata: dict[str, Any]) -> None:
    merged = {**thread.metadata, **metadata}
    if merged != thread.metadata:
        connection.execute(
            "UPDATE threads SET metadata = ? WHERE thread_id = ?", (json.dumps_text(merged), thread.thread_id)
        )
        store_leaves(connection, thread.thread_id, merged)
        if merged.get("title") != thread.metadata.get("title"):
            note_title(connection, thread.thread_id, merged.get("title"))


def set_status(
    connection: Connection,
    thread_id: str,
    *,
    status: ThreadStatus,
    now: str,
    interrupts: dict[str, Any],
    error: dict[str, Any] | None,
    preview: str | None,
) -> None:
    """What the thread has come to. While a run waits on it, it is busy whatever the `status`."""
    found = connection.execute(
        """SELECT ttl, EXISTS (SELECT 1 FROM runs WHERE runs.thread_id = threads.thread_id AND runs.status = 'pending')
           FROM threads WHERE thread_id = ?""",
        (thread_id,),
    ).fetchone()
    if found is None:
        return
    ttl, awaited = found
    connection.execute(
        """UPDATE threads SET status = ?, interrupts = ?, error = ?, preview = ifnull(?, preview), updated_at = ?,
               state_updated_at = ?, expires_at = ? WHERE thread_id = ?""",
        (
            "busy" if awaited else status,
            json.dumps_text(interrupts),
            None if error is None else json.dumps_text(error),
            preview,
            now,
            now,
            expiry(None if ttl is None else json.loads(ttl), datetime.fromisoformat(now)),
            thread_id,
        ),
    )


def born_with(thread: Thread, ttl: dict[str, Any] | None, moment: datetime) -> Thread:
    """The new thread with this time to live, unless it was asked for with one of its own."""
    return thread if ttl is None or thread.ttl is not None else replace(thread, ttl=ttl, expires_at=expiry(ttl, moment))


def expiry(ttl: dict[str, Any] | None, moment: datetime) -> str | None:
    """When a thread with this `ttl` (in minutes, from `moment`) expires."""
    return None if ttl is None else timestamp(moment + timedelta(minutes=ttl["ttl"]))


def missing(thread_id: str) -> NotFoundError:
    return NotFoundError(f"Thread with ID {thread_id} not found")


@reads("thread")
def thread_from(row: Row) -> Thread:
    (
        thread_id,
        owner,
        user_id,
        graph_id,
        status,
        metadata,
        config,
        interrupts,
        error,
        preview,
        ttl,
        expires_at,
        created_at,
        updated_at,
        state_updated_at,
    ) = row
    return Thread(
        thread_id=thread_id,
        owner=owner,
        user_id=user_id,
        graph_id=graph_id,
        status=status,
        metadata=json.loads(metadata),
        config=json.loads(config),
        interrupts=json.loads(interrupts),
        error=None if error is None else json.loads(error),
        preview=preview,
        ttl=None if ttl is None else json.loads(ttl),
        expires_at=expires_at,
        created_at=created_at,
        updated_at=updated_at,
        state_updated_at=state_updated_at,
    )
