"""Deleting, pruning and copying: each one transaction, and done again it changes nothing.

Removing a checkpoint never takes what another one still needs: values that others refer to stay, and an ancestor that a
surviving checkpoint's DeltaChannel is replayed from is only hidden. Whoever changes a thread like this holds its lock;
runs go on meanwhile, for nothing is removed that was not there, and named, when the transaction looked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from checkpoints.postgres.pool import Cursor, Pool
from checkpoints.postgres.schema import LOCKS

_HIDE = """
UPDATE checkpoints SET hidden = true WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = ANY(%s)"""
_DELETE_CHECKPOINTS = """
DELETE FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = ANY(%s)"""
_DELETE_WRITES = """
DELETE FROM checkpoint_writes WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = ANY(%s)"""
_DELETE_OPEN_WRITES = _DELETE_WRITES + " AND run_id = ANY(%s)"
_DELETE_REPLACED = _DELETE_WRITES.replace("checkpoint_writes", "checkpoint_writes_replaced")
# What a run's own write had replaced takes its place again; what is between two others only leaves the row of them.
_HAND_DOWN_REPLACED = """
UPDATE checkpoint_writes_replaced AS older SET replaced_by = gone.replaced_by FROM checkpoint_writes_replaced AS gone
WHERE gone.thread_id = %(thread)s AND gone.checkpoint_ns = %(ns)s AND gone.run_id = ANY(%(runs)s)
AND (older.thread_id, older.checkpoint_ns, older.checkpoint_id, older.task_id, older.idx, older.replaced_by)
    = (gone.thread_id, gone.checkpoint_ns, gone.checkpoint_id, gone.task_id, gone.idx, gone.run_id)"""
_DELETE_HANDED_DOWN = """
DELETE FROM checkpoint_writes_replaced WHERE thread_id = %(thread)s AND checkpoint_ns = %(ns)s
AND run_id = ANY(%(runs)s)"""
_PUT_BACK = """
WITH back AS (
    DELETE FROM checkpoint_writes_replaced WHERE thread_id = %(thread)s AND checkpoint_ns = %(ns)s
    AND replaced_by = ANY(%(runs)s) RETURNING *
)
INSERT INTO checkpoint_writes
    (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, run_id, idx, channel, type, blob)
SELECT thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, run_id, idx, channel, type, blob FROM back
WHERE checkpoint_id = ANY(%(open)s) ON CONFLICT DO NOTHING"""
_DELETE_UNUSED_VALUES = """
DELETE FROM checkpoint_blobs WHERE thread_id = %s AND checkpoint_ns = %s AND (channel, version) NOT IN (
    SELECT key, value FROM checkpoints, jsonb_each_text(checkpoint -> 'channel_versions')
    WHERE thread_id = %s AND checkpoint_ns = %s)"""
# One statement sees one state of the source. The runs stay behind: undoing one leaves the copy alone.
_COPY = """
WITH stored AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT %(target)s, checkpoint_ns, channel, version, type, blob FROM checkpoint_blobs WHERE thread_id = %(source)s
), written AS (
    INSERT INTO checkpoint_writes
        (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
    SELECT %(target)s, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob
    FROM checkpoint_writes WHERE thread_id = %(source)s
)
INSERT INTO checkpoints
    (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata, hidden)
SELECT %(target)s, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata, hidden
FROM checkpoints WHERE thread_id = %(source)s
"""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What a removal has to know of a checkpoint."""

    checkpoint_id: str
    parent_id: str | None
    run_id: str | None
    hidden: bool
    counted: list[str]
    """The DeltaChannels that are rebuilt from writes of ancestors, back to where their value is stored."""


async def delete_threads(pool: Pool, thread_ids: Sequence[str]) -> None:
    ids = [str(one) for one in thread_ids]

    async def work(cursor: Cursor) -> None:
        await _lock(cursor, ids)
        await _delete_threads(cursor, ids)

    await pool.transaction(work)


async def delete_for_runs(pool: Pool, run_ids: Collection[str]) -> None:
    """Remove the checkpoints these runs made, and the writes they left on checkpoints that stay.

    The thread's latest checkpoint is then as it was before the runs: pending interrupts and tasks included.
    """
    runs = [str(run_id) for run_id in run_ids]

    async def work(cursor: Cursor) -> None:
        spaces = await _spaces_of_runs(cursor, runs)
        await _lock(cursor, {thread_id for thread_id, _ in spaces})
        for thread_id, ns in spaces:
            skeletons = await _skeletons(cursor, thread_id, ns)
            gone = {one.checkpoint_id for one in skeletons if one.run_id in runs}
            await _remove(cursor, thread_id, ns, skeletons, gone)
            # Writes that a surviving child consumed stay: a DeltaChannel may replay them.
            kept = [one for one in skeletons if one.checkpoint_id not in gone]
            consumed = {one.parent_id for one in kept if not one.hidden}
            open_ends = [one.checkpoint_id for one in kept if one.checkpoint_id not in consumed and not one.hidden]
            await cursor.execute(_DELETE_OPEN_WRITES, (thread_id, ns, open_ends, runs))
            where = {"thread": thread_id, "ns": ns, "runs": runs, "open": open_ends}
            for step in (_HAND_DOWN_REPLACED, _DELETE_HANDED_DOWN, _PUT_BACK):
                await cursor.execute(step, where)

    await pool.transaction(work)


async def prune(pool: Pool, thread_ids: Sequence[str], strategy: str) -> None:
    """`keep_latest` keeps the latest checkpoint of each namespace with its writes; `delete` keeps nothing."""
    if strategy in ("delete", "delete_all"):
        await delete_threads(pool, thread_ids)
        return
    if strategy != "keep_latest":
        raise ValueError(f"unknown pruning strategy {strategy!r}: keep_latest or delete")
    ids = [str(one) for one in thread_ids]

    async def work(cursor: Cursor) -> None:
        await _lock(cursor, ids)
        for thread_id, ns in await _spaces(cursor, ids):
            skeletons = await _skeletons(cursor, thread_id, ns)
            seen = [one.checkpoint_id for one in skeletons if not one.hidden]
            await _remove(cursor, thread_id, ns, skeletons, set(seen[1:]))

    await pool.transaction(work)


async def copy_thread(pool: Pool, source: str, target: str) -> None:
    """Copy all checkpoints, values and writes. The copy stands alone: removing one leaves the other.

    Raises ValueError if the target has checkpoints that the source has not; if it has them all, it is a copy already.
    """

    async def work(cursor: Cursor) -> None:
        await _lock(cursor, {source, target})
        there = await _checkpoints(cursor, target)
        if there:
            if not there >= await _checkpoints(cursor, source):
                raise ValueError(f"thread {target} has checkpoints of its own; copy into a new thread")
            return
        await cursor.execute(_COPY, {"source": source, "target": target})

    await pool.transaction(work)


async def _lock(cursor: Cursor, thread_ids: Iterable[str]) -> None:
    """Until the transaction ends; always in the same order, so that two who want the same threads wait in line."""
    for thread_id in sorted(thread_ids):
        await cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (LOCKS, thread_id))


async def _spaces(cursor: Cursor, thread_ids: Sequence[str]) -> list[tuple[str, str]]:
    await cursor.execute(
        "SELECT DISTINCT thread_id, checkpoint_ns FROM checkpoints WHERE thread_id = ANY(%s)", (thread_ids,)
    )
    return [(row["thread_id"], row["checkpoint_ns"]) for row in await cursor.fetchall()]


async def _spaces_of_runs(cursor: Cursor, runs: Sequence[str]) -> list[tuple[str, str]]:
    await cursor.execute(
        """SELECT thread_id, checkpoint_ns FROM checkpoints WHERE run_id = ANY(%(runs)s) UNION
           SELECT thread_id, checkpoint_ns FROM checkpoint_writes WHERE run_id = ANY(%(runs)s)""",
        {"runs": runs},
    )
    return [(row["thread_id"], row["checkpoint_ns"]) for row in await cursor.fetchall()]


async def _checkpoints(cursor: Cursor, thread_id: str) -> set[tuple[str, str]]:
    await cursor.execute("SELECT checkpoint_ns, checkpoint_id FROM checkpoints WHERE thread_id = %s", (thread_id,))
    return {(row["checkpoint_ns"], row["checkpoint_id"]) for row in await cursor.fetchall()}


async def _skeletons(cursor: Cursor, thread_id: str, ns: str) -> list[Skeleton]:
    """Newest first, the hidden ones too."""
    await cursor.execute(
        """SELECT checkpoint_id, parent_checkpoint_id AS parent_id, run_id, hidden,
                  ARRAY(SELECT jsonb_object_keys(metadata -> 'counters_since_delta_snapshot')) AS counted
           FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = %s ORDER BY checkpoint_id DESC""",
        (thread_id, ns),
    )
    return [Skeleton(**row) for row in await cursor.fetchall()]


async def _remove(
    cursor: Cursor, thread_id: str, ns: str, skeletons: Sequence[Skeleton], gone: Collection[str]
) -> None:
    """Remove checkpoints with their writes, hide those still replayed from, and drop values nobody refers to."""
    replayed = await _replayed(cursor, thread_id, ns, skeletons, gone)
    away = {one.checkpoint_id for one in skeletons if one.hidden or one.checkpoint_id in gone}
    hidden, doomed = sorted(away & replayed), sorted(away - replayed)
    if hidden:
        await cursor.execute(_HIDE, (thread_id, ns, hidden))
    if doomed:
        await cursor.execute(_DELETE_CHECKPOINTS, (thread_id, ns, doomed))
        await cursor.execute(_DELETE_WRITES, (thread_id, ns, doomed))
        await cursor.execute(_DELETE_REPLACED, (thread_id, ns, doomed))
        await cursor.execute(_DELETE_UNUSED_VALUES, (thread_id, ns, thread_id, ns))


async def _replayed(
    cursor: Cursor, thread_id: str, ns: str, skeletons: Sequence[Skeleton], gone: Collection[str]
) -> set[str]:
    """The ancestors that surviving checkpoints rebuild a DeltaChannel from: back to where its value is stored."""
    channels = sorted({channel for one in skeletons for channel in one.counted})
    if not channels:
        return set()
    stored = await _stored(cursor, thread_id, ns, channels)
    by_id = {one.checkpoint_id: one for one in skeletons}
    needed: set[str] = set()
    for one in skeletons:
        if one.hidden or one.checkpoint_id in gone:
            continue
        for channel in one.counted:
            current: Skeleton | None = one
            while current is not None and (current.checkpoint_id, channel) not in stored:
                current = by_id.get(current.parent_id or "")
                if current is None:
                    break
                needed.add(current.checkpoint_id)
    return needed


async def _stored(cursor: Cursor, thread_id: str, ns: str, channels: Sequence[str]) -> set[tuple[str, str]]:
    """Which checkpoints hold a value of these channels themselves, as (checkpoint's id, channel)."""
    await cursor.execute(
        """SELECT checkpoint_id, wanted.channel FROM checkpoints c CROSS JOIN unnest(%s::text[]) AS wanted(channel)
           WHERE thread_id = %s AND checkpoint_ns = %s
           AND (checkpoint -> 'channel_values' -> wanted.channel <> 'null'::jsonb OR EXISTS (
               SELECT 1 FROM checkpoint_blobs b
               WHERE b.thread_id = c.thread_id AND b.checkpoint_ns = c.checkpoint_ns AND b.channel = wanted.channel
               AND b.version = checkpoint -> 'channel_versions' ->> wanted.channel))""",
        (channels, thread_id, ns),
    )
    return {(row["checkpoint_id"], row["channel"]) for row in await cursor.fetchall()}


async def _delete_threads(cursor: Cursor, thread_ids: list[str]) -> None:
    await cursor.execute("DELETE FROM checkpoints WHERE thread_id = ANY(%s)", (thread_ids,))
    await cursor.execute("DELETE FROM checkpoint_writes WHERE thread_id = ANY(%s)", (thread_ids,))
    await cursor.execute("DELETE FROM checkpoint_writes_replaced WHERE thread_id = ANY(%s)", (thread_ids,))
    await cursor.execute("DELETE FROM checkpoint_blobs WHERE thread_id = ANY(%s)", (thread_ids,))
