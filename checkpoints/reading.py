"""From rows to values: checkpoints, the writes pending on them, and the items their lists refer to.

A `Reader` runs SQL on one connection and decodes small things; it never writes and keeps nothing. Decoding big lists
is left to plain functions that may run in any thread.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apsw
from langgraph.checkpoint.base import PendingWrite, writes_sort_key
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from checkpoints import schema
from checkpoints.blocks import Block, Typed, together
from checkpoints.hot import HotList, Ref, Remembered, Version
from checkpoints.items import Frozen, UnpackableError, freeze, pack_each
from checkpoints.records import revived
from checkpoints.segments import LANE, Ranges, from_stored, pairs


@dataclass(slots=True)
class Skeleton:
    """A stored checkpoint without its values. `refs` has every channel that has a version; None where it is empty."""

    checkpoint_id: str
    checkpoint: dict[str, Any]
    metadata: Any
    parent_id: str | None
    refs: dict[str, tuple[Version, Ref | None]]


class Reader:
    """Reads one connection. `ready` is asked before each statement: it makes queued rows visible, or raises."""

    def __init__(self, connection: apsw.Connection, ready: Callable[[], None]) -> None:
        self._connection = connection
        self._ready = ready

    def namespace_id(self, thread_id: str, checkpoint_ns: str) -> int | None:
        """The id of a namespace in the file; one that is still queued is hot."""
        found: int | None = self._one(
            "SELECT id FROM namespace WHERE thread_id = ? AND checkpoint_ns = ?", thread_id, checkpoint_ns
        )
        return found

    def namespaces(self, thread_id: str | None = None) -> list[tuple[int, str, str]]:
        """`(id, thread_id, checkpoint_ns)` of one thread, or of all, the latest made first."""
        self._ready()
        where = "" if thread_id is None else "WHERE thread_id = ?"
        bound = () if thread_id is None else (thread_id,)
        return list(self._connection.execute(f"SELECT * FROM namespace {where} ORDER BY id DESC", bound))  # noqa: S608

    def next_position(self, namespace: int, lane: int | None) -> int:
        """The first free position of a lane, or with None that of a lane not used yet."""
        self._ready()
        end: int | None = self._one(
            "SELECT position + length FROM block WHERE namespace = ? AND position < ? ORDER BY position DESC LIMIT 1",
            namespace,
            (1 << 63) - 1 if lane is None else (lane + 1) * LANE,
        )
        if lane is None:
            return ((end or 0) // LANE + 1) * LANE
        return max(end or 0, lane * LANE)

    def furthest_id(self, namespace: int) -> str:
        """The greatest id that a checkpoint, hidden or not, or a write is stored under."""
        self._ready()
        found: str | None = self._one("SELECT max(checkpoint_id) FROM entry WHERE namespace = ?", namespace)
        return found or ""

    def newest_id(self, namespace: int) -> str | None:
        """The greatest checkpoint id, which is what counts as the latest."""
        return next(iter(self.checkpoint_ids([namespace], limit=1)), (0, None))[1]

    def checkpoint_ids(
        self, namespaces: Sequence[int], *, below: tuple[str, int] | None = None, limit: int = -1
    ) -> list[tuple[int, str]]:
        """`(namespace, checkpoint_id)`, the greatest id first; below `(checkpoint_id, namespace)` if given."""
        self._ready()
        marks = ",".join("?" * len(namespaces))
        lower = "" if below is None else "AND (checkpoint_id, namespace) < (?, ?)"
        sql = f"""SELECT namespace, checkpoint_id FROM entry WHERE namespace IN ({marks}) AND ordinal = 0 {lower}
                  ORDER BY checkpoint_id DESC, namespace DESC LIMIT ?"""  # noqa: S608 - only question marks are put in
        return list(self._connection.execute(sql, (*namespaces, *(below or ()), limit)))

    def skeleton(
        self, namespace: int, checkpoint_id: str, serde: SerializerProtocol, *, hidden: bool = False
    ) -> Skeleton | None:
        """One checkpoint, decoded; with `hidden` also one that was removed but is still replayed from."""
        self._ready()
        row = self._connection.execute(
            """SELECT type, data FROM entry JOIN body ON body.id = entry.body
               WHERE namespace = ? AND checkpoint_id = ? AND ordinal <= 0 AND ordinal >= ?
               ORDER BY ordinal DESC LIMIT 1""",
            (namespace, checkpoint_id, schema.HIDDEN if hidden else 0),
        ).fetchone()
        if row is None:
            return None
        return decode_skeleton(checkpoint_id, _typed(*row), serde)

    def writes(self, namespace: int, checkpoint_id: str, serde: SerializerProtocol) -> list[PendingWrite]:
        """The writes on a checkpoint in replay order."""
        self._ready()
        rows: Any = self._connection.execute(
            """SELECT type, data FROM entry JOIN body ON body.id = entry.body
               WHERE namespace = ? AND checkpoint_id = ? AND ordinal > 0 ORDER BY ordinal""",
            (namespace, checkpoint_id),
        )
        return merge_writes([_typed(*row) for row in rows], serde)

    def blocks(self, namespace: int, ranges: Ranges) -> list[Block]:
        """The stored items of these ranges, in order."""
        self._ready()
        found: list[Block] = []
        for start, stop in pairs(ranges):
            for position, count, kind, data in self._connection.execute(
                """SELECT position, length, type, data FROM block JOIN body ON body.id = block.body
                   WHERE namespace = ?1 AND position < ?3 AND position >=
                       (SELECT max(position) FROM block WHERE namespace = ?1 AND position <= ?2)
                   ORDER BY position""",
                (namespace, start, stop),
            ):
                low, high = max(start - position, 0), min(stop - position, count)
                found.append(Block(_typed(kind, data), low, high, count))
        return found

    def whole(self, namespace: int, position: int) -> Typed:
        """One value that is stored as it is."""
        self._ready()
        row = self._connection.execute(
            """SELECT type, data FROM block JOIN body ON body.id = block.body
               WHERE namespace = ? AND position = ?""",
            (namespace, position),
        ).fetchone()
        assert row is not None, "a stored value is never removed while a checkpoint refers to it"
        return _typed(*row)

    def skeletons(self, namespace: int, serde: SerializerProtocol) -> Iterator[Skeleton]:
        """Every checkpoint of a namespace, hidden ones too, the greatest id first."""
        row: Any
        for row in self._connection.execute(
            """SELECT DISTINCT checkpoint_id FROM entry WHERE namespace = ? AND ordinal <= 0
               ORDER BY checkpoint_id DESC""",
            (namespace,),
        ).fetchall():
            found = self.skeleton(namespace, row[0], serde, hidden=True)
            if found is not None:
                yield found

    def body_bytes(self, namespace: int, name: str) -> int:
        """Bytes of a namespace's `values`, `checkpoints` or `writes`."""
        self._ready()
        table, which = {
            "values": ("block", ""),
            "checkpoints": ("entry", "AND ordinal <= 0"),
            "writes": ("entry", "AND ordinal > 0"),
        }[name]
        total: int | None = self._one(
            f"SELECT sum(length(data)) FROM {table} t JOIN body ON body.id = t.body WHERE namespace = ? {which}",  # noqa: S608
            namespace,
        )
        return total or 0

    def find_version(self, namespace: int, channel: str, version: Version, serde: SerializerProtocol) -> Ref | None:
        """Where the value of a channel's version lies, if any checkpoint of the namespace has it. Reads them all."""
        self._ready()
        for found in self.skeletons(namespace, serde):
            known, ref = found.refs.get(channel, (None, None))
            if known == version and ref is not None:
                return ref
        return None

    def _one(self, sql: str, *bound: Any) -> Any:
        row = self._connection.execute(sql, bound).fetchone()
        return None if row is None else row[0]


def decode_skeleton(checkpoint_id: str, body: Typed, serde: SerializerProtocol) -> Skeleton:
    """A checkpoint from its body."""
    checkpoint, metadata, parent_id, located = serde.loads_typed(body)
    versions = checkpoint["channel_versions"].items()
    refs = {channel: (version, _ref(located.get(channel))) for channel, version in versions}
    return Skeleton(checkpoint_id, checkpoint, metadata, parent_id, refs)


def merge_writes(bodies: Sequence[Typed], serde: SerializerProtocol) -> list[PendingWrite]:
    """The writes of these bodies, in the order they were put, for replay.

    A task's first write of an index stands; special ones replace.
    """
    merged: dict[tuple[str, int], tuple[str, str, str, Any]] = {}
    for body in bodies:
        task_id, task_path, _, listed = decode_writes(*body, serde)
        for channel, index, value, *is_bytearray in listed:
            if index < 0 or (task_id, index) not in merged:
                value = bytearray(value) if is_bytearray else value
                merged[task_id, index] = (task_path, task_id, channel, value)
    ordered = sorted(merged.items(), key=lambda item: writes_sort_key(item[1][0], *item[0]))
    return [(task_id, channel, value) for _, (_, task_id, channel, value) in ordered]


def decode_writes(kind: str | None, data: bytes, serde: SerializerProtocol) -> tuple[str, str, str | None, list[Any]]:
    """`(task_id, task_path, run_id, [channel, index, value, ...])` as one call stored them."""
    task_id, task_path, run_id, listed = serde.loads_typed(_typed(kind, data))
    return task_id, task_path, run_id, listed


def list_ranges(ref: Ref | None) -> Ranges | None:
    """The ranges of a ref that stands for a list, in a snapshot or plain; None for every other ref."""
    if isinstance(ref, dict):
        ref = ref.get("d")
    return ref if isinstance(ref, tuple) else None


def load_items(blocks: Sequence[Block], serde: SerializerProtocol) -> tuple[list[Any], list[Remembered] | None]:
    """The items of blocks by the serializer, and how to remember them; None if they cannot be remembered."""
    if blocks and all(block.packed for block in blocks):
        made = revived([message for block in blocks for message in block.packed[block.low : block.high]])
        if made is not None:
            return made[0], list(map(_remembered, *made))
    items: list[Any] = []
    remembered: list[Remembered] | None = []
    for block in together(blocks, serde):
        loaded = block.load(serde)
        items += loaded
        if remembered is not None:
            try:
                remembered += _remember(block, loaded)
            except UnpackableError:
                remembered = None
    return items, remembered


def _remember(block: Block, items: Sequence[Any]) -> list[Remembered]:
    frozen = freeze(block.typed[1], items) if block.typed[0] == "msgpack" else None
    if frozen is None:
        return [Remembered(type(item), seen, None) for item, seen in zip(items, pack_each(items), strict=True)]
    return list(map(_remembered, items, frozen))


def _remembered(item: Any, frozen: Frozen) -> Remembered:
    return Remembered(type(item), frozen.data, frozen)


def recall(ranges: Ranges, remembered: Sequence[Remembered]) -> HotList:
    """A remembered list of items just read."""
    hot = HotList(ranges, [], [], [], all(item.frozen is not None for item in remembered))
    hot.append(
        [item.kind for item in remembered],
        [item.print for item in remembered],
        [item.frozen for item in remembered],
    )
    return hot


def snapshot_or_list(ref: Ref, items: list[Any]) -> Any:
    """The list a ref stands for, in the wrapping it was stored in."""
    return _DeltaSnapshot(items) if isinstance(ref, dict) else items


def parents(reader: Reader, namespace: int, checkpoint_id: str, serde: SerializerProtocol) -> Iterator[Skeleton]:
    """The ancestors of a checkpoint, the nearest first."""
    current = reader.skeleton(namespace, checkpoint_id, serde)
    while current is not None and current.parent_id is not None:
        current = reader.skeleton(namespace, current.parent_id, serde, hidden=True)
        if current is not None:
            yield current


def _ref(located: Any) -> Ref | None:
    if isinstance(located, list):
        return from_stored(located)
    if isinstance(located, dict) and "d" in located:
        return {"d": from_stored(located["d"])}
    ref: Ref | None = located
    return ref


def _typed(kind: str | None, data: bytes) -> Typed:
    return (kind or "msgpack", data)
