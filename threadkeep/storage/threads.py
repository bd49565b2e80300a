"""The threads table: what is listed, searched and counted about threads. Their state is the checkpointer's business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from threadkeep import json
from threadkeep.callers import Caller
from threadkeep.errors import ConflictError, InvalidError
from threadkeep.storage.connection import Connection
from threadkeep.storage.database import Database
from threadkeep.storage.dialect import Dialect
from threadkeep.storage.intents import Intent, add_intent, strike_out
from threadkeep.storage.metadata import Leaf, excess_of, has_leaf, has_leaves, wanted_leaves
from threadkeep.storage.readable import readable
from threadkeep.storage.thread_rows import (
    COLUMNS,
    Thread,
    ThreadStatus,
    find_thread,
    insert_thread,
    merge_metadata,
    owned_thread,
    seen,
    set_status,
    thread_from,
    thread_key,
)

_MANY = 6  # leaves, from which on they are counted together: a join for each is slow to plan
_COMMON = 500  # threads with one leaf of metadata, from which on it is no place to begin a search
SORT_COLUMNS = ("thread_id", "status", "created_at", "updated_at", "state_updated_at")


@dataclass(frozen=True, slots=True)
class ThreadQuery:
    """Conditions that all must hold; an empty query finds every thread of the caller."""

    ids: Sequence[str] | None = None
    metadata: dict[str, Any] | None = None
    status: ThreadStatus | None = None
    user_id: str | None = None
    sort_by: str = "updated_at"
    descending: bool = True
    limit: int = 10
    offset: int = 0


class Threads:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, thread: Thread, *, keep_existing: bool) -> Thread:
        """Store a new thread. One with that id already there: itself when `keep_existing`, else `ConflictError`."""

        def work(connection: Connection) -> Thread:
            connection.lock(thread_key(thread.thread_id))
            present = find_thread(connection, thread.thread_id)
            if present is None:
                insert_thread(connection, thread)
                return thread
            if keep_existing and present.owner == thread.owner:
                return present
            raise ConflictError(f"Thread with ID {thread.thread_id} already exists")

        return await self._database.write(work)

    async def get(self, thread_id: str, caller: Caller) -> Thread:
        row = await self._database.read_one(f"SELECT {COLUMNS} FROM threads WHERE thread_id = ?", (thread_id,))
        return seen(None if row is None else thread_from(row), thread_id, caller)

    async def search(self, query: ThreadQuery, caller: Caller) -> list[Thread]:
        assert query.sort_by in SORT_COLUMNS
        where, arguments = await self._where(query, caller)
        direction = "DESC" if query.descending else "ASC"
        rows = await self._database.scan(
            f"SELECT {COLUMNS} FROM threads {where} ORDER BY {query.sort_by} {direction}, thread_id {direction}"
            " LIMIT ? OFFSET ?",
            (*arguments, query.limit, query.offset),
        )
        return readable(thread_from, rows)

    async def count(self, query: ThreadQuery, caller: Caller) -> int:
        leaves = _leaves(query, caller, self._database.dialect)
        conditions, arguments = _conditions(query, caller)
        if len(leaves) == 1 and not conditions:
            sql, arguments = "SELECT count(*) FROM thread_metadata WHERE path = ? AND value = ?", [*leaves[0]]
        else:
            where, arguments = await self._where(query, caller)
            sql = f"SELECT count(*) FROM threads {where}"
        [(number,)] = await self._database.scan(sql, arguments)
        return int(number)

    async def _where(self, query: ThreadQuery, caller: Caller) -> tuple[str, list[Any]]:
        conditions, arguments = _conditions(query, caller)
        leaves = _leaves(query, caller, self._database.dialect)
        if len(leaves) > _MANY:
            conditions.append(has_leaves(len(leaves)))
            arguments += [*(part for leaf in leaves for part in leaf), len(leaves)]
            leaves = []
        for leaf in leaves:
            conditions.append(has_leaf(common=await self._is_common(leaf)))
            arguments += leaf
        return (f"WHERE {' AND '.join(conditions)}" if conditions else "", arguments)

    async def _is_common(self, leaf: Leaf) -> bool:
        some = "SELECT 1 FROM thread_metadata WHERE path = ? AND value = ? LIMIT ?"
        row = await self._database.read_one(f"SELECT count(*) FROM ({some}) AS found", (*leaf, _COMMON))
        return row is not None and row[0] == _COMMON

    async def patch(
        self,
        thread_id: str,
        caller: Caller,
        *,
        now: str,
        metadata: dict[str, Any],
        ttl: tuple[dict[str, Any], str | None] | None = None,
    ) -> Thread:
        """Merge `metadata` into the thread's, and set its `ttl` (what was asked, when it expires) if given."""

        def work(connection: Connection) -> Thread:
            connection.lock(thread_key(thread_id))
            thread = owned_thread(connection, thread_id, caller)
            if excess := excess_of({**thread.metadata, **metadata}):
                raise InvalidError(f"metadata: with what is there already, it {excess}")
            merge_metadata(connection, thread, metadata)
            connection.execute("UPDATE threads SET updated_at = ? WHERE thread_id = ?", (now, thread_id))
            if ttl is not None:
                asked, expires_at = ttl
                connection.execute(
                    "UPDATE threads SET ttl = ?, expires_at = ? WHERE thread_id = ?",
                    (json.dumps_text(asked), expires_at, thread_id),
                )
            return owned_thread(connection, thread_id, caller)

        return await self._database.write(work)

    async def note_state(
        self,
        thread_id: str,
        *,
        now: str,
        status: ThreadStatus,
        interrupts: dict[str, Any],
        graph_id: str | None,
        error: dict[str, Any] | None = None,
    ) -> None:
        """A state update outside a run: what lists show of the thread follows it, unless a run came meanwhile."""

        def work(connection: Connection) -> None:
            connection.lock(thread_key(thread_id))
            connection.tell(f"state {thread_id}")
            query = "SELECT 1 FROM runs WHERE thread_id = ? AND status IN ('pending', 'running') LIMIT 1"
            if connection.execute(query, (thread_id,)).fetchone() is None:
                set_status(
                    connection, thread_id, status=status, now=now, interrupts=interrupts, error=error, preview=None
                )
            connection.execute(
                "UPDATE threads SET graph_id = ifnull(graph_id, ?) WHERE thread_id = ?", (graph_id, thread_id)
            )

        await self._database.write(work)

    async def create_instead(self, thread: Thread, undo: int) -> None:
        """Store a new thread whose state is already there, and strike out the intent that would have removed it."""

        def work(connection: Connection) -> None:
            connection.lock(thread_key(thread.thread_id))
            if find_thread(connection, thread.thread_id) is not None:
                raise ConflictError(f"Thread with ID {thread.thread_id} already exists")
            insert_thread(connection, thread)
            strike_out(connection, undo)

        await self._database.write(work)

    async def expired(self, *, now: str, limit: int, with_ttl: bool = True) -> list[Thread]:
        """Threads whose time to live is over and on which nothing runs, the longest overdue first.

        Without `with_ttl` only those that nobody gave one: a run's own thread, kept a little for late readers.
        """
        which = "" if with_ttl else "AND ttl IS NULL"
        rows = await self._database.read(
            f"""SELECT {COLUMNS} FROM threads WHERE expires_at <= ? AND status != 'busy' {which}
                ORDER BY expires_at LIMIT ?""",
            (now, limit),
        )
        return readable(thread_from, rows)

    async def decide_expiry(self, thread_id: str, *, now: str) -> bool:
        """Decide that an expired thread goes, unless a run came or its time was changed meanwhile: then False."""

        def work(connection: Connection) -> bool:
            connection.lock(thread_key(thread_id))
            query = "SELECT 1 FROM threads WHERE thread_id = ? AND expires_at <= ? AND status != 'busy'"
            if connection.execute(query, (thread_id, now)).fetchone() is None:
                return False
            add_intent(connection, Intent("delete_thread", thread_id))
            return True

        return await self._database.write(work)

    async def postpone_expiry(self, thread_id: str) -> None:
        """What a pruned thread keeps does not expire; the next change of its state starts its time anew."""

        def work(connection: Connection) -> None:
            connection.execute("UPDATE threads SET expires_at = NULL WHERE thread_id = ?", (thread_id,))

        await self._database.write(work)

    async def current(self, user_id: str, graph_id: str, caller: Caller) -> str | None:
        row = await self._database.read_one(
            "SELECT thread_id FROM current_threads WHERE owner = ? AND user_id = ? AND graph_id = ?",
            (caller.identity or "", user_id, graph_id),
        )
        return None if row is None else str(row[0])

    async def make_current(self, thread: Thread, *, replace: bool) -> str:
        """Make `thread` (new, with its user and graph) the one `/chat` goes on with, and give the current one's id.

        Without `replace`, a current thread that is already there wins and nothing is stored: of two first messages at
        the same moment, both get one thread.
        """
        key = (thread.owner or "", thread.user_id, thread.graph_id)

        def work(connection: Connection) -> str:
            connection.lock(f"current:{json.dumps_text(key)}")
            row = connection.execute(
                "SELECT thread_id FROM current_threads WHERE owner = ? AND user_id = ? AND graph_id = ?", key
            ).fetchone()
            if row is not None and not replace:
                return str(row[0])
            insert_thread(connection, thread)
            connection.execute(
                """INSERT INTO current_threads VALUES (?, ?, ?, ?)
                   ON CONFLICT (owner, user_id, graph_id) DO UPDATE SET thread_id = excluded.thread_id""",
                (*key, thread.thread_id),
            )
            return thread.thread_id

        return await self._database.write(work)


def _leaves(query: ThreadQuery, caller: Caller, dialect: Dialect) -> list[Leaf]:
    both = (query.metadata or {}, dict(caller.filters))
    return list(dict.fromkeys(leaf for metadata in both for leaf in wanted_leaves(metadata, dialect)))


def _conditions(query: ThreadQuery, caller: Caller) -> tuple[list[str], list[Any]]:
    """All but those on metadata."""
    conditions: list[str] = []
    arguments: list[Any] = []
    if caller.owner is not None:
        conditions.append("owner = ?")
        arguments.append(caller.owner)
    if query.ids is not None:
        conditions.append("thread_id IN (SELECT value FROM json_each(?))")
        arguments.append(json.dumps_text(list(query.ids)))
    for column, value in (("status", query.status), ("user_id", query.user_id)):
        if value is not None:
            conditions.append(f"{column} = ?")
            arguments.append(value)
    return conditions, arguments
