"""Carry a data folder's checkpoints over to PostgreSQL: each thread whole, in one transaction, under its own ids.

A version of a channel becomes text, as LangGraph's saver for PostgreSQL counts: numbers and texts do not compare, and
the threads go on there. Whatever is there already is left alone, so a move that was cut off is simply started again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
from langchain_core.runnables import RunnableConfig

from checkpoints import schema
from checkpoints.file import Found, fetch, recall_lists
from checkpoints.hot import HotNamespace
from checkpoints.ownership import owned_file
from checkpoints.postgres.pool import Connection, Cursor, connected
from checkpoints.postgres.rows import CheckpointRow, checkpoint_row, write_rows
from checkpoints.postgres.schema import migrate_checkpoints
from checkpoints.reading import Reader, Skeleton, decode_writes
from checkpoints.verbatim import VerbatimSerializer

Tell = Callable[[int, int], None]
_NAME = "threadkeep move"
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


@dataclass(frozen=True, slots=True)
class _Space:
    id: int
    thread_id: str
    checkpoint_ns: str


class FileThreads:
    """The threads of a checkpoint file that nobody else has open."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._reader = Reader(connection, lambda: None)
        self._serde = VerbatimSerializer()

    def thread_ids(self) -> list[str]:
        rows: Any = self._connection.execute("SELECT DISTINCT thread_id FROM namespace ORDER BY thread_id")
        return [thread_id for (thread_id,) in rows]

    def spaces(self, thread_id: str) -> list[_Space]:
        return [_Space(*found) for found in self._reader.namespaces(thread_id)]

    def checkpoints(self, space: _Space) -> Iterator[tuple[CheckpointRow, bool]]:
        """Each as a row, and whether it is hidden; a version's value comes with one of those that have it."""
        stored: set[tuple[str, Any]] = set()
        runs = self._runs(space)
        for skeleton, hidden in self._skeletons(space):
            versions = skeleton.checkpoint["channel_versions"]
            new = {channel: as_text(one) for channel, one in versions.items() if (channel, one) not in stored}
            config: RunnableConfig = {
                "configurable": {
                    "thread_id": space.thread_id,
                    "checkpoint_ns": space.checkpoint_ns,
                    "checkpoint_id": skeleton.parent_id,
                }
            }
            row = checkpoint_row(config, self._checkpoint(space, skeleton), skeleton.metadata, new, self._serde)
            yield row._replace(run_id=row.run_id if row.run_id in runs else None), hidden
            stored |= versions.items()

    def writes(self, space: _Space) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        """`(query, checkpoint_id, arguments)` of each put of writes, in order."""
        rows: Any = self._connection.execute(
            """SELECT checkpoint_id, type, data FROM entry JOIN body ON body.id = entry.body
               WHERE namespace = ? AND ordinal > 0 ORDER BY checkpoint_id, ordinal""",
            (space.id,),
        )
        runs = self._runs(space)
        for checkpoint_id, kind, data in rows:
            task_id, path, run_id, listed = decode_writes(kind, data, self._serde)
            placed = {
                index: (channel, bytearray(value) if marks else value) for channel, index, value, *marks in listed
            }
            typed = write_rows(list(placed.values()), self._serde)
            query = _PUT_WRITES + (_REPLACE if placed and all(index < 0 for index in placed) else "NOTHING")
            task = (space.thread_id, space.checkpoint_ns, checkpoint_id, task_id, path)
            yield query, checkpoint_id, (*task, run_id if run_id in runs else None, list(placed), *typed[1:])

    def counts(self, thread_id: str) -> tuple[int, int]:
        """How many checkpoints a thread has, hidden ones too, and how many writes."""
        checkpoints = writes = 0
        for space in self.spaces(thread_id):
            checkpoints += sum(1 for _ in self._skeletons(space))
            places = {(key, args[3], place) for _, key, args in self.writes(space) for place in args[6]}
            writes += len(places)
        return checkpoints, writes

    def newest(self, space: _Space) -> tuple[str, dict[str, bytes]] | None:
        """The latest checkpoint's id, and the value of each of its channels as bytes."""
        found = next(iter(self._reader.checkpoint_ids([space.id], limit=1)), None)
        if found is None:
            return None
        skeleton = self._reader.skeleton(space.id, found[1], self._serde)
        assert skeleton is not None
        values = self._checkpoint(space, skeleton)["channel_values"]
        return found[1], {channel: self._serde.dumps_typed(value)[1] for channel, value in values.items()}

    def _skeletons(self, space: _Space) -> Iterator[tuple[Skeleton, bool]]:
        seen = {checkpoint_id for _, checkpoint_id in self._reader.checkpoint_ids([space.id])}
        for skeleton in self._reader.skeletons(space.id, self._serde):
            yield skeleton, skeleton.checkpoint_id not in seen

    def _checkpoint(self, space: _Space, skeleton: Skeleton) -> Any:
        found = Found(HotNamespace(space.id, space.thread_id, space.checkpoint_ns, "", stored=True), skeleton, [])
        recall_lists(found)  # nothing is remembered of this space: all is fetched
        fetch(found, self._reader, self._serde)
        seen = skeleton.checkpoint.get("versions_seen", {})
        return {
            **skeleton.checkpoint,
            "id": skeleton.checkpoint_id,
            "channel_values": found.decode(self._serde),
            "channel_versions": _texts(skeleton.checkpoint["channel_versions"]),
            "versions_seen": {node: _texts(versions) for node, versions in seen.items()},
        }

    def _runs(self, space: _Space) -> set[str]:
        """The runs that wrote here; a copy names runs in its metadata that are not its own."""
        rows: Any = self._connection.execute("SELECT run_id FROM run WHERE namespace = ?", (space.id,))
        return {run_id for (run_id,) in rows}


async def move_threads(uri: str, path: Path, tell: Tell) -> MovedThreads:
    """Copy what is missing, then compare every thread; `ValueError` names the first that is not the same."""
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
                else:
                    moved.checkpoints += await _copy(connection, threads, thread_id)
                    moved.threads += 1
            for done, thread_id in enumerate(ids):
                tell(len(ids) + done, 2 * len(ids))
                await _compare(connection, threads, thread_id)
    return moved


def as_text(version: Any) -> Any:
    """A version as LangGraph's own savers count, in the same order."""
    return f"{version:032}.{0:016}" if type(version) is int else version


def _texts(versions: dict[str, Any]) -> dict[str, Any]:
    return {channel: as_text(version) for channel, version in versions.items()}


async def _known(connection: Connection) -> set[str]:
    found = await connection.execute("SELECT thread_id FROM checkpoints UNION SELECT thread_id FROM checkpoint_writes")
    return {row["thread_id"] for row in await found.fetchall()}


async def _copy(connection: Connection, threads: FileThreads, thread_id: str) -> int:
    count = 0
    async with connection.transaction(), connection.cursor() as cursor:
        for space in threads.spaces(thread_id):
            for row, hidden in threads.checkpoints(space):
                await cursor.execute(_PUT, row._asdict())
                if hidden:
                    await _hide(cursor, row)
                count += 1
            for query, _, arguments in threads.writes(space):
                await cursor.execute(query.encode(), arguments)
    return count


async def _hide(cursor: Cursor, row: CheckpointRow) -> None:
    await cursor.execute(
        "UPDATE checkpoints SET hidden = true WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = %s",
        (row.thread_id, row.checkpoint_ns, row.checkpoint_id),
    )


async def _compare(connection: Connection, threads: FileThreads, thread_id: str) -> None:
    found = await connection.execute(
        """SELECT (SELECT count(*) FROM checkpoints WHERE thread_id = %(id)s) AS checkpoints,
                  (SELECT count(*) FROM checkpoint_writes WHERE thread_id = %(id)s) AS writes""",
        {"id": thread_id},
    )
    row = await found.fetchone()
    assert row is not None
    ours = await asyncio.to_thread(threads.counts, thread_id)
    if ours != (row["checkpoints"], row["writes"]):
        raise ValueError(f"thread {thread_id} has {ours} checkpoints and writes here, and {tuple(row.values())} there")
    for space in threads.spaces(thread_id):
        if threads.newest(space) != await _newest_there(connection, space):
            raise ValueError(f"the newest state of thread {thread_id} is not the same there")


async def _newest_there(connection: Connection, space: _Space) -> tuple[str, dict[str, bytes]] | None:
    place = (space.thread_id, space.checkpoint_ns)
    found = await connection.execute(
        """SELECT checkpoint_id, checkpoint FROM checkpoints WHERE NOT hidden AND thread_id = %s AND checkpoint_ns = %s
           ORDER BY checkpoint_id DESC LIMIT 1""",
        place,
    )
    row = await found.fetchone()
    if row is None:
        return None
    serde, checkpoint = VerbatimSerializer(), row["checkpoint"]
    blobs = await connection.execute(
        """SELECT b.channel, b.type, b.blob FROM checkpoint_blobs b
           JOIN jsonb_each_text(%s::jsonb) AS v ON v.key = b.channel AND v.value = b.version
           WHERE b.thread_id = %s AND b.checkpoint_ns = %s""",
        (json.dumps(checkpoint["channel_versions"]), *place),
    )
    outside = {one["channel"]: serde.loads_typed((one["type"], one["blob"])) for one in await blobs.fetchall()}
    values = {**checkpoint["channel_values"], **outside}
    return row["checkpoint_id"], {channel: serde.dumps_typed(value)[1] for channel, value in values.items()}
