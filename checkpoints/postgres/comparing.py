"""Whether a thread is the same in PostgreSQL as in a data folder: every checkpoint, each of its values, every write.

JSON is compared by the database, as it stores it; of values and writes it tells the SHA-256. So little crosses the
connection, and what is remembered is a page of rows and, of one namespace, a digest of each version of a channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby, islice
from typing import Any, TypeVar

from checkpoints.postgres.moving_file import FileThreads, FileWrites, Space
from checkpoints.postgres.pool import Connection
from checkpoints.postgres.rows import CheckpointRow

T = TypeVar("T")
Digest = tuple[str, bytes]
"""A type, and the SHA-256 of what is stored."""

_PAGE = 100
_COUNT = """
SELECT (SELECT count(*) FROM checkpoints WHERE thread_id = %(id)s) AS checkpoints,
       (SELECT count(*) FROM checkpoint_blobs WHERE thread_id = %(id)s) AS values,
       (SELECT count(*) FROM checkpoint_writes WHERE thread_id = %(id)s) AS writes"""
_VALUES = """
SELECT channel, version, type, sha256(blob) AS digest FROM checkpoint_blobs
WHERE thread_id = %s AND checkpoint_ns = %s"""
_DIFFERENT_CHECKPOINT = """
SELECT here.id, CASE
    WHEN there.checkpoint_id IS NULL THEN 'is missing'
    WHEN there.parent_checkpoint_id IS DISTINCT FROM here.parent THEN 'has another parent'
    WHEN there.run_id IS DISTINCT FROM here.run_id THEN 'is of another run'
    WHEN there.hidden != here.hidden THEN 'is removed here or there only'
    WHEN there.metadata != here.metadata::jsonb THEN 'has other metadata'
    WHEN there.checkpoint -> 'channel_values' != here.checkpoint::jsonb -> 'channel_values' THEN 'has other values'
    ELSE 'has other versions' END AS how
FROM unnest(%(ids)s::text[], %(parents)s::text[], %(runs)s::text[], %(hidden)s::bool[], %(metadata)s::text[],
            %(checkpoints)s::text[]) AS here (id, parent, run_id, hidden, metadata, checkpoint)
LEFT JOIN checkpoints there ON there.thread_id = %(thread_id)s AND there.checkpoint_ns = %(checkpoint_ns)s
                            AND there.checkpoint_id = here.id
WHERE (there.parent_checkpoint_id, there.run_id, there.hidden, there.metadata, there.checkpoint)
      IS DISTINCT FROM (here.parent, here.run_id, here.hidden, here.metadata::jsonb, here.checkpoint::jsonb)
ORDER BY here.id LIMIT 1"""
_WRITES = """
SELECT checkpoint_id, task_id, idx, task_path, run_id, channel, type, sha256(blob) AS digest FROM checkpoint_writes
WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = ANY(%s)"""


@dataclass(slots=True)
class _Counted:
    checkpoints: int = 0
    values: int = 0
    writes: int = 0


@dataclass(slots=True)
class _Values:
    """What is stored there of one namespace's channels, and which of it was asked for."""

    stored: dict[tuple[str, str], Digest]
    asked: set[tuple[str, str]] = field(default_factory=set)

    def difference(self, row: CheckpointRow) -> str | None:
        for channel, version, kind, blob in zip(row.channels, row.versions, row.types, row.blobs, strict=True):
            self.asked.add((channel, version))
            if self.stored.get((channel, version)) != (kind, sha256(blob).digest()):
                return f"checkpoint {row.checkpoint_id} has another value of {channel!r}"
        return None


async def difference(connection: Connection, threads: FileThreads, thread_id: str) -> str | None:
    """The first thing of a thread that is not the same there, in words."""
    counted = _Counted()
    for space in threads.spaces(thread_id):
        found = await _checkpoints(connection, threads, space, counted)
        found = found or await _writes(connection, threads, space, counted)
        if found is not None:
            return f"thread {thread_id}{f' in {space.checkpoint_ns!r}' if space.checkpoint_ns else ''}: {found}"
    row = await (await connection.execute(_COUNT, {"id": thread_id})).fetchone()
    assert row is not None
    # All that is here is there, so what does not add up is there only.
    more = [f"{row[name] - getattr(counted, name)} {name}" for name in row if row[name] != getattr(counted, name)]
    return f"thread {thread_id}: {' and '.join(more)} are there that the folder has not" if more else None


async def _checkpoints(connection: Connection, threads: FileThreads, space: Space, counted: _Counted) -> str | None:
    place = (space.thread_id, space.checkpoint_ns)
    found = await (await connection.execute(_VALUES, place)).fetchall()
    values = _Values({(one["channel"], one["version"]): (one["type"], one["digest"]) for one in found})
    wrong: list[str] = []

    def light() -> Iterator[tuple[CheckpointRow, bool]]:
        """The rows without their values, which are compared on the way."""
        for row, hidden in threads.checkpoints(space, whole=True):
            if (other := values.difference(row)) is not None:
                wrong.append(other)
            yield row._replace(types=[], blobs=[]), hidden

    for page in _pages(light()):
        arguments = {"thread_id": space.thread_id, "checkpoint_ns": space.checkpoint_ns, **_columns(page)}
        row = await (await connection.execute(_DIFFERENT_CHECKPOINT, arguments)).fetchone()
        if row is not None:
            return f"checkpoint {row['id']} {row['how']}"
        if wrong:
            return wrong[0]
        counted.checkpoints += len(page)
    counted.values += len(values.asked)
    return None


def _columns(page: list[tuple[CheckpointRow, bool]]) -> dict[str, list[Any]]:
    rows = [row for row, _ in page]
    return {
        "ids": [row.checkpoint_id for row in rows],
        "parents": [row.parent_id for row in rows],
        "runs": [row.run_id for row in rows],
        "hidden": [hidden for _, hidden in page],
        "metadata": [row.metadata for row in rows],
        "checkpoints": [row.checkpoint for row in rows],
    }


async def _writes(connection: Connection, threads: FileThreads, space: Space, counted: _Counted) -> str | None:
    put = groupby(threads.writes(space), key=lambda writes: writes.checkpoint_id)
    for page in _pages((checkpoint_id, _stored(writes)) for checkpoint_id, writes in put):
        ids = [checkpoint_id for checkpoint_id, _ in page]
        here = {(checkpoint_id, *where): what for checkpoint_id, stored in page for where, what in stored.items()}
        found = await connection.execute(_WRITES, (space.thread_id, space.checkpoint_ns, ids))
        rows = [tuple(row.values()) for row in await found.fetchall()]
        there = {row[:3]: row[3:] for row in rows}
        for where in sorted(here.keys() | there.keys()):
            if here.get(where) != there.get(where):
                checkpoint_id, task_id, place = where
                how = (
                    "is missing"
                    if where not in there
                    else "is not the same"
                    if where in here
                    else "is not in the folder"
                )
                return f"write {place} of task {task_id} at checkpoint {checkpoint_id} {how}"
        counted.writes += len(here)
    return None


def _stored(puts: Iterable[FileWrites]) -> dict[tuple[str, int], tuple[Any, ...]]:
    """What is left of a checkpoint's writes when all are put: (task, place) -> what stands there."""
    stored: dict[tuple[str, int], tuple[Any, ...]] = {}
    for put in puts:
        for place, channel, kind, blob in zip(*put.rows, strict=True):
            what = (put.task_path, put.run_id, channel, kind, sha256(blob).digest())
            if put.replaces:
                stored[put.task_id, place] = what
            else:
                stored.setdefault((put.task_id, place), what)
    return stored


def _pages(rows: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(rows)
    while page := list(islice(remaining, _PAGE)):
        yield page
