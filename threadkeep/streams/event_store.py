"""The events table: frames of resumable runs, and how long they are kept.

Ids are dense, so what retention took away is one number a run, its floor: a reader that asks for something at or below
it is told so, never given silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from threadkeep.errors import ConflictError
from threadkeep.storage.connection import Connection, Row
from threadkeep.storage.database import Database
from threadkeep.streams.live import Event, GapError

_PAGE = 500
_DROPPED_AT_ONCE = 500
_BYTES_DROPPED_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as the table has it; once its run has ended, one with a `checkpoint_id` has no data of its own."""

    event: Event
    checkpoint_id: str | None


class LostRunError(ConflictError):
    """Another process runs this by now."""


class EventStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def shared(self) -> bool:
        """Whether other processes read what this one stores."""
        return self._database.dialect.leases

    async def insert(self, run_id: str, events: list[StoredEvent]) -> None:
        """Store events, durably; `LostRunError` when the attempt that they are of no longer has its run."""

        def work(connection: Connection) -> None:
            if connection.dialect.leases:
                query = "SELECT attempt FROM runs WHERE run_id = ? AND status = 'running' FOR SHARE"
                held = connection.execute(query, (run_id,)).fetchone()
                if held is None or held[0] != events[-1].event.attempt:
                    raise LostRunError
                connection.tell(f"events {run_id}")
            insert_events(connection, run_id, events)

        await self._database.write(work)

    async def ask_for(self, run_id: str) -> None:
        """Let who runs it know that its events are wanted by other processes."""
        await self._database.write(lambda connection: connection.tell(f"follow {run_id}"))

    async def page(self, run_id: str, after: int) -> list[StoredEvent]:
        """Some of a run's stored events past an id, in order; none when there are no more."""
        rows = await self._database.read(
            """SELECT event_id, name, data, attempt, at, checkpoint_id FROM events WHERE run_id = ? AND event_id > ?
               ORDER BY event_id LIMIT ?""",
            (run_id, after, _PAGE),
        )
        return [StoredEvent(Event(*row[:5]), row[5]) for row in rows]

    async def last_id(self, run_id: str) -> int:
        row = await self._database.read_one("SELECT max(event_id) FROM events WHERE run_id = ?", (run_id,))
        return max(await self.floor(run_id), row[0] or 0 if row else 0)

    async def floor(self, run_id: str) -> int:
        row = await self._database.read_one("SELECT event_floor FROM runs WHERE run_id = ?", (run_id,))
        return int(row[0]) if row else 0

    async def has_ended(self, run_id: str) -> bool:
        """Whether nothing more will come of the run: it has ended, or is gone."""
        row = await self._database.read_one("SELECT status FROM runs WHERE run_id = ?", (run_id,))
        return row is None or row[0] not in ("pending", "running")

    async def require_kept(self, run_id: str, after: int) -> None:
        """`GapError` when some event past `after` is no longer kept."""
        floor = await self.floor(run_id)
        if after < floor:
            raise GapError(
                f"Events up to {floor} of this run are no longer kept. Read the thread's state, or join without a "
                "Last-Event-ID for what is still to come."
            )

    async def forget_old(self, *, ended_before: str, thread_bytes: int, transient_before: str = "") -> int:
        """Drop the events of runs that ended before that time, and the oldest runs' of a thread that holds too much;
        those that are there for readers at other processes only, when their run ended before `transient_before`.

        Gives the number of runs whose events went.
        """
        old = await self._database.scan(
            "SELECT run_id FROM runs WHERE event_bytes > 0 AND ended_at < ?", (ended_before,)
        )
        crowded = await self._database.scan(
            """SELECT run_id FROM (
                   SELECT run_id, sum(event_bytes) OVER (PARTITION BY thread_id ORDER BY seq DESC) AS newer_bytes
                   FROM runs WHERE event_bytes > 0) AS kept
               WHERE newer_bytes > ?""",
            (thread_bytes,),
        )
        runs = {str(row[0]) for row in (*old, *crowded, *await self._transient(transient_before))}
        await self._drop(sorted(runs))
        return len(runs)

    async def _transient(self, ended_before: str) -> list[Row]:
        if not self.shared:
            return []
        query = "SELECT run_id FROM runs WHERE event_bytes > 0 AND transient = 1 AND ended_at < ?"
        return await self._database.scan(query, (ended_before,))

    async def forget_thread(self, thread_id: str) -> None:
        """Drop the events of all runs on a thread that is about to go, on which nothing runs."""
        rows = await self._database.read(
            """SELECT run_id FROM runs WHERE thread_id = ?
               AND EXISTS (SELECT 1 FROM events WHERE events.run_id = runs.run_id)""",
            (thread_id,),
        )
        await self._drop([str(row[0]) for row in rows])

    async def _drop(self, runs: list[str]) -> None:
        """In transactions of some milliseconds, so that no run and no stream waits for long."""
        while runs:
            runs = await self._database.write(partial(_drop_some, runs=runs), durable=False)


def _drop_some(connection: Connection, runs: list[str]) -> list[str]:
    """Drop up to `_DROPPED_AT_ONCE` events of these runs, the first ones' first; the runs that may have more.

    All of a run's are told to be gone before the first is, and they go from its end: who is just reading them comes to
    an end too early, as where all go at once, and never over a hole. Of large ones fewer go.
    """
    room, space = _DROPPED_AT_ONCE, _BYTES_DROPPED_AT_ONCE
    for place, run_id in enumerate(runs):
        if room <= 0 or space <= 0:
            return runs[place:]
        query = "SELECT event_id, length(data) FROM events WHERE run_id = ? ORDER BY event_id DESC LIMIT ?"
        last = connection.execute(query, (run_id, room + 1)).fetchall()
        if last:
            newest = last[0][0]
            connection.execute(
                "UPDATE runs SET event_floor = ? WHERE run_id = ? AND event_floor < ?", (newest, run_id, newest)
            )
            going = _fitting([size for _, size in last[:room]], space)
            connection.execute("DELETE FROM events WHERE run_id = ? AND event_id >= ?", (run_id, last[going - 1][0]))
            if going < len(last):
                return runs[place:]
            room -= going
            space -= sum(size for _, size in last)
        connection.execute("UPDATE runs SET event_bytes = 0 WHERE run_id = ? AND event_bytes > 0", (run_id,))
        room -= 1
    return []


def _fitting(sizes: list[int], space: int) -> int:
    """How many from the beginning until they take up the space, at least one."""
    for place, size in enumerate(sizes):
        space -= size
        if space <= 0:
            return place + 1
    return len(sizes)


def insert_events(connection: Connection, run_id: str, events: list[StoredEvent]) -> None:
    connection.executemany(
        "INSERT INTO events (run_id, event_id, attempt, at, name, data, checkpoint_id) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                run_id,
                stored.event.event_id,
                stored.event.attempt,
                stored.event.at,
                stored.event.name,
                stored.event.data,
                stored.checkpoint_id,
            )
            for stored in events
        ],
    )


def close_events(connection: Connection, run_id: str, final: Event, *, transient: bool = False) -> None:
    """Store a run's terminal event, drop what its checkpoints hold as well, and note what is left, for retention.

    Only now, and only of the attempt that ended: the checkpointer was flushed before this, while a checkpoint that an
    earlier attempt told of may have been lost in the crash that ended it. `transient` ones are kept for a moment only.
    """
    insert_events(connection, run_id, [StoredEvent(final, None)])
    connection.execute(
        "UPDATE events SET data = ? WHERE run_id = ? AND attempt = ? AND checkpoint_id IS NOT NULL",
        (b"", run_id, final.attempt),
    )
    connection.execute(
        """UPDATE runs SET event_bytes = (SELECT sum(length(data) + length(name) + 40) FROM events
                                          WHERE run_id = runs.run_id)
           WHERE run_id = ?""",
        (run_id,),
    )
    if transient and connection.dialect.leases:
        connection.execute("UPDATE runs SET transient = 1 WHERE run_id = ?", (run_id,))
