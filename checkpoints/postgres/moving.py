"""Carry a data folder's checkpoints over to PostgreSQL: each thread whole, in one transaction, under its own ids.

Whatever is there already is left alone, so a move that was cut off is simply started again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from checkpoints import schema
from checkpoints.ownership import owned_file
from checkpoints.postgres.comparing import difference
from checkpoints.postgres.moving_file import FileThreads, FileWrites
from checkpoints.postgres.pool import Connection, Cursor, connected
from checkpoints.postgres.rows import CheckpointRow
from checkpoints.postgres.schema import migrate_checkpoints

Tell = Callable[[int, int], None]
_NAME = "threadkeep move"
_ENOUGH = 20
_PUT = """
WITH stored AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT %(thread_id)s, %(checkpoint_ns)s, *
    FROM unnest(%(channels)s::text[], %(versions)s::text[], %(types)s::text[], %(blobs)b::bytea[])
)
INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, run_id, checkpoint, metadata)
VALUES (%(thread_id)s, %(checkpoint_ns)s, %(checkpoint_id)s, %(parent_id)s, %(run_id)s,
        %(checkpoint)s::jsonb, %(metadata)s::jsonb)"""
_PUT_WRITES = """
INSERT INTO checkpoint_writes
    (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, run_id, idx, channel, type, blob)
SELECT %s, %s, %s, %s, %s, %s, *
FROM unnest(%s::int[], %s::text[], %s::text[], %b::bytea[])
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO """
_REPLACE = """
UPDATE SET channel = excluded.channel, type = excluded.type, blob = excluded.blob, run_id = excluded.run_id"""


@dataclass(slots=True)
class MovedThreads:
    threads: int = 0
    checkpoints: int = 0
    there_already: int = 0
    different: list[str] = field(default_factory=list)
    """What is not the same there, in words: one thing of each thread, of the first few threads."""


async def move_threads(uri: str, path: Path, tell: Tell, *, copy: bool = True) -> MovedThreads:
    """Copy what is missing, if anything is to be copied, then compare every thread."""
    moved = MovedThreads()
    if not await asyncio.to_thread(path.exists):
        return moved
    with owned_file(path), closing(schema.connect(path)) as file:
        schema.prepare(file, path)
        threads = FileThreads(file)
        ids = threads.thread_ids()
        async with connected(uri, _NAME) as connection:
            await migrate_checkpoints(connection)
            known = await _known(connection)
            for done, thread_id in enumerate(ids):
                tell(done, 2 * len(ids))
                if thread_id in known:
                    moved.there_already += 1
                elif copy:
                    moved.checkpoints += await _copy(connection, threads, thread_id)
                    moved.threads += 1
            moved.different += [f"thread {one} is not in the folder" for one in sorted(known - set(ids))[:_ENOUGH]]
            await _compare(connection, threads, ids, moved.different, tell)
    return moved


async def _compare(
    connection: Connection, threads: FileThreads, ids: Sequence[str], different: list[str], tell: Tell
) -> None:
    for done, thread_id in enumerate(ids):
        tell(len(ids) + done, 2 * len(ids))
        if (found := await difference(connection, threads, thread_id)) is not None:
            different.append(found)
            if len(different) >= _ENOUGH:
                different.append("there may be more, which were not looked for")
                return


async def _known(connection: Connection) -> set[str]:
    found = await connection.execute("SELECT thread_id FROM checkpoints UNION SELECT thread_id FROM checkpoint_writes")
    return {row["thread_id"] for row in await found.fetchall()}


async def _copy(connection: Connection, threads: FileThreads, thread_id: str) -> int:
    count = 0
    async with connection.transaction(), connection.cursor() as cursor:
        for space in threads.spaces(thread_id):
            for row, hidden in threads.checkpoints(space, whole=False):
                await cursor.execute(_PUT, row._asdict())
                if hidden:
                    await _hide(cursor, row)
                count += 1
            for writes in threads.writes(space):
                place = (space.thread_id, space.checkpoint_ns, writes.checkpoint_id)
                await _put_writes(cursor, place, writes)
    return count


async def _put_writes(cursor: Cursor, place: tuple[str, str, str], writes: FileWrites) -> None:
    query = _PUT_WRITES + (_REPLACE if writes.replaces else "NOTHING")
    await cursor.execute(query.encode(), (*place, writes.task_id, writes.task_path, writes.run_id, *writes.rows))


async def _hide(cursor: Cursor, row: CheckpointRow) -> None:
    await cursor.execute(
        "UPDATE checkpoints SET hidden = true WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = %s",
        (row.thread_id, row.checkpoint_ns, row.checkpoint_id),
    )
