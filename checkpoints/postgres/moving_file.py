"""A data folder's checkpoints as the rows that PostgreSQL is to hold.

A version of a channel becomes text, as LangGraph's saver for PostgreSQL counts: numbers and texts do not compare, and
the threads go on there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apsw
from langchain_core.runnables import RunnableConfig

from checkpoints.file import Found, fetch, recall_lists
from checkpoints.hot import HotNamespace
from checkpoints.postgres.rows import CheckpointRow, WriteRows, checkpoint_row, write_rows
from checkpoints.reading import Reader, Skeleton, decode_writes
from checkpoints.verbatim import VerbatimSerializer


@dataclass(frozen=True, slots=True)
class Space:
    id: int
    thread_id: str
    checkpoint_ns: str


class FileWrites(NamedTuple):
    """One task's writes at one checkpoint, as one call put them."""

    checkpoint_id: str
    task_id: str
    task_path: str
    run_id: str | None
    replaces: bool
    """They take the place of what is stored there; else what is stored stays."""
    rows: WriteRows


class FileThreads:
    """The threads of a checkpoint file that nobody else has open."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._reader = Reader(connection, lambda: None)
        self._serde = VerbatimSerializer()

    def thread_ids(self) -> list[str]:
        rows: Any = self._connection.execute("SELECT DISTINCT thread_id FROM namespace ORDER BY thread_id")
        return [thread_id for (thread_id,) in rows]

    def spaces(self, thread_id: str) -> list[Space]:
        return [Space(*found) for found in self._reader.namespaces(thread_id)]

    def checkpoints(self, space: Space, *, whole: bool) -> Iterator[tuple[CheckpointRow, bool]]:
        """Each as a row, and whether it is hidden. A version's value comes with one of those that have it, or, if they
        are to be `whole`, with each.
        """
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
            if not whole:
                stored |= versions.items()

    def writes(self, space: Space) -> Iterator[FileWrites]:
        """Each put of writes, in order."""
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
            typed = write_rows(list(placed.values()), self._serde)._replace(places=list(placed))
            replaces = bool(placed) and all(index < 0 for index in placed)
            yield FileWrites(checkpoint_id, task_id, path, run_id if run_id in runs else None, replaces, typed)

    def _skeletons(self, space: Space) -> Iterator[tuple[Skeleton, bool]]:
        seen = {checkpoint_id for _, checkpoint_id in self._reader.checkpoint_ids([space.id])}
        for skeleton in self._reader.skeletons(space.id, self._serde):
            yield skeleton, skeleton.checkpoint_id not in seen

    def _checkpoint(self, space: Space, skeleton: Skeleton) -> Any:
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

    def _runs(self, space: Space) -> set[str]:
        """The runs that wrote here; a copy names runs in its metadata that are not its own."""
        rows: Any = self._connection.execute("SELECT run_id FROM run WHERE namespace = ?", (space.id,))
        return {run_id for (run_id,) in rows}


def as_text(version: Any) -> Any:
    """A version as LangGraph's own savers count, in the same order."""
    return f"{version:032}.{0:016}" if type(version) is int else version


def _texts(versions: dict[str, Any]) -> dict[str, Any]:
    return {channel: as_text(version) for channel, version in versions.items()}
