"""Work that spans the server's file and the checkpointer's: written with the decision, redone until it is done.

Each kind is idempotent, so that a crash between the two files costs nothing but a second try at the next start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from threadkeep.storage.connection import Connection
from threadkeep.storage.database import Database
from threadkeep.storage.thread_rows import thread_key

IntentKind = Literal["delete_thread", "delete_run"]

_IDLE = "status NOT IN ('busy', 'interrupted')"
_UNDECIDED = """NOT EXISTS (
    SELECT 1 FROM intents WHERE kind = 'delete_thread' AND intents.thread_id = threads.thread_id)"""


@dataclass(frozen=True, slots=True)
class Intent:
    kind: IntentKind
    thread_id: str
    run_id: str | None = None
    intent_id: int = 0


class Intents:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_ones(self, thread_id: str | None = None) -> list[Intent]:
        """Everything (or everything of one thread) that is decided and not yet done, in order."""
        rows = await self._database.read(
            """SELECT kind, thread_id, run_id, intent_id FROM intents WHERE :thread IS NULL OR thread_id = :thread
               ORDER BY intent_id""",
            {"thread": thread_id},
        )
        return [Intent(*row) for row in rows]

    async def add(self, intent: Intent) -> int:
        """Its id, by which it may be struck out again."""

        def work(connection: Connection) -> int:
            connection.lock(thread_key(intent.thread_id))
            return add_intent(connection, intent)

        return await self._database.write(work)

    async def done(self, intent: Intent) -> None:
        """Strike it out; of a deleted thread, this is also where its row goes."""

        def work(connection: Connection) -> None:
            connection.lock(thread_key(intent.thread_id))
            if intent.kind == "delete_thread":
                connection.execute("DELETE FROM threads WHERE thread_id = ?", (intent.thread_id,))
            connection.execute("DELETE FROM intents WHERE intent_id = ?", (intent.intent_id,))

        await self._database.write(work)


def add_intent(connection: Connection, intent: Intent) -> int:
    row = connection.execute(
        "INSERT INTO intents (kind, thread_id, run_id) VALUES (?, ?, ?) RETURNING intent_id",
        (intent.kind, intent.thread_id, intent.run_id),
    ).fetchone()
    return int(row[0])


def deletion_decided(connection: Connection, thread_id: str) -> bool:
    """Whether the thread is about to go, with everything on it."""
    query = "SELECT 1 FROM intents WHERE kind = 'delete_thread' AND thread_id = ?"
    return connection.execute(query, (thread_id,)).fetchone() is not None


def strike_out(connection: Connection, intent_id: int) -> None:
    """It was not to be: what it would have undone is there to stay."""
    connection.execute("DELETE FROM intents WHERE intent_id = ?", (intent_id,))


def decide_old_deletions(connection: Connection, *, before: str, limit: int) -> int:
    """Decide on up to `limit` threads that nobody touched since; how many. Busy and asking ones stay."""
    chosen = f"SELECT thread_id FROM threads WHERE {_IDLE} AND updated_at < ? AND {_UNDECIDED}"
    found = connection.execute(f"{chosen} ORDER BY thread_id LIMIT ?", (before, limit)).fetchall()
    connection.lock(*(f"thread:{thread_id}" for (thread_id,) in found))
    # A run may have come on one of them just before it was locked.
    still = [row for row in found if connection.execute(f"{chosen} AND thread_id = ?", (before, *row)).fetchall()]
    connection.executemany("INSERT INTO intents (kind, thread_id) VALUES ('delete_thread', ?)", still)
    return len(still)
