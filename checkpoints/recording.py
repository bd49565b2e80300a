"""From a checkpoint or a task's writes to rows: what is new is stored, what is known is referred to.

A checkpoint's body is `[checkpoint without id and values, metadata, parent id, refs]`, where refs say for each channel
which version it has and where that version's value lies. A channel whose version did not move takes its parent's
ref, whatever `channel_values` holds for it: a value belongs to its version, as in InMemorySaver.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from checkpoints import segments
from checkpoints.blocks import Block, Typed
from checkpoints.hot import HotList, HotNamespace, Ref
from checkpoints.items import UnpackableError, pack_each
from checkpoints.reading import Reader, list_ranges, load_items, recall
from checkpoints.records import Packed, dumped, packed
from checkpoints.rows import Rows

_SHORT_TEXT = 40  # scalars up to this length stand in the checkpoint itself


@dataclass(frozen=True, slots=True)
class Target:
    """The channel whose value is being stored, and where its rows go."""

    space: HotNamespace
    rows: Rows
    channel: str
    serde: SerializerProtocol


@dataclass(slots=True)
class Recorder:
    """Makes rows of what savers are given, and keeps the hot namespace in step. Used under the journal's lock."""

    reader: Reader
    body_ids: "count[int]"

    def checkpoint(
        self,
        space: HotNamespace,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
        serde: SerializerProtocol,
    ) -> Rows:
        """The rows of one checkpoint, with the new values of its channels."""
        rows = self._rows(space)
        parent_id: str | None = config["configurable"].get("checkpoint_id")
        checkpoint_id = checkpoint["id"]
        stored_metadata = get_checkpoint_metadata(_plain(config), metadata)
        inherited = self._refs_of(space, parent_id, serde)
        refs: dict[str, tuple[Any, Ref | None]] = {}
        for channel, version in checkpoint["channel_versions"].items():
            known = inherited.get(channel)
            if known is not None and known[0] == version and channel not in new_versions:
                refs[channel] = known
                continue
            ref = None if channel in new_versions else self.reader.find_version(space.id, channel, version, serde)
            if ref is None and channel in checkpoint["channel_values"]:
                value = checkpoint["channel_values"][channel]
                ref = self._value(space, rows, channel, value, known and known[1], serde)
            refs[channel] = (version, ref)
        skeleton = {k: v for k, v in checkpoint.items() if k not in ("id", "channel_values")}
        located = {channel: _located(ref) for channel, (_, ref) in refs.items() if ref is not None}
        encoded = serde.dumps_typed([skeleton, stored_metadata, parent_id, located])
        self._entry(rows, checkpoint_id, encoded)
        if checkpoint_id <= space.newest_id:
            rows.replaces = True
        else:
            space.newest_id = checkpoint_id
        if space.furthest_id is None:
            space.furthest_id = self.reader.furthest_id(space.id)
        space.note_checkpoint(checkpoint_id, encoded)
        self._note_run(space, rows, stored_metadata.get("run_id"))
        space.refs_of, space.refs = checkpoint_id, refs
        return rows

    def writes(
        self,
        space: HotNamespace,
        checkpoint_id: str,
        writes: Sequence[tuple[str, Any]],
        task: tuple[str, str],
        run_id: str | None,
        serde: SerializerProtocol,
    ) -> Rows:
        """The row of one task's writes; merged with the others of its checkpoint when read."""
        listed = [
            # Inside a list a bytearray would come back as bytes, so it is marked.
            (channel, WRITES_IDX_MAP.get(channel, index), bytes(value), 1)
            if isinstance(value, bytearray)
            else (channel, WRITES_IDX_MAP.get(channel, index), value)
            for index, (channel, value) in enumerate(writes)
        ]
        return self.listed_writes(space, checkpoint_id, listed, (*task, run_id), serde)

    def listed_writes(
        self,
        space: HotNamespace,
        checkpoint_id: str,
        listed: Sequence[Sequence[Any]],
        task: tuple[str, str, str | None],
        serde: SerializerProtocol,
    ) -> Rows:
        """The row of writes whose indexes are given. With the run's id, a removal of the run takes them along."""
        rows = self._rows(space)
        encoded = serde.dumps_typed([*task, listed])
        self._entry(rows, checkpoint_id, encoded)
        rows.ordinal = rows.body
        space.note_writes(checkpoint_id, encoded)
        self._note_run(space, rows, task[2])
        return rows

    # -- one channel ------------------------------------------------------------------------------------------------

    def _value(
        self, space: HotNamespace, rows: Rows, channel: str, value: Any, before: Ref | None, serde: SerializerProtocol
    ) -> Ref:
        """Store a channel's new value; `before` is where its parent's value lies."""
        if _is_scalar(value):
            return {"v": value}
        if type(value) is list:
            return self._list(Target(space, rows, channel, serde), value, list_ranges(before))
        if isinstance(value, _DeltaSnapshot) and type(value.value) is list:
            return {"d": self._list(Target(space, rows, channel, serde), value.value, list_ranges(before))}
        typed = serde.dumps_typed(value)
        same = space.wholes.get(channel)
        if same is not None and same[:2] == typed:
            return same[2]
        position = self._block(space, rows, 0, 1, typed)
        space.wholes[channel] = (*typed, position)
        return position

    def _list(self, target: Target, items: list[Any], before: segments.Ranges | None) -> segments.Ranges:
        base = target.space.list_at(target.channel, before)
        if base is None and before:
            base = self._recalled(target, before)
        if base is not None and base.ranges:
            target.space.lanes[target.channel] = base.ranges[0] // segments.LANE
        try:
            front = 0 if base is None else base.same_front(items)
            if base is not None and front == len(base):
                hot = self._appended(target, base, items[front:])
            else:
                hot = self._rearranged(target, base, items, front)
            if len(hot.ranges) > 2 * segments.MOST_RANGES:
                hot = self._rearranged(target, None, items, 0)
        except UnpackableError:
            target.space.lists.pop(target.channel, None)
            return self._store_items(target, items, None)[0] if items else ()
        target.space.remember(target.channel, hot, instead_of=base)
        return hot.ranges

    def _recalled(self, target: Target, before: segments.Ranges) -> HotList | None:
        _, remembered = load_items(self.reader.blocks(target.space.id, before), target.serde)
        return None if remembered is None else recall(before, remembered)

    def _appended(self, target: Target, base: HotList, added: list[Any]) -> HotList:
        messages = packed(added, target.serde)
        prints = _prints(added, messages)
        if added:
            ranges, block = self._store_items(target, added, messages)
            base.ranges = segments.join(base.ranges, ranges)
            base.append(list(map(type, added)), prints, [None] * len(added))
            base.note_block(len(base) - len(added), block)
        return base

    def _rearranged(self, target: Target, base: HotList | None, items: list[Any], front: int) -> HotList:
        messages = packed(items, target.serde)
        prints = _prints(items, messages)
        kept: list[int | None] = [None] * len(items) if base is None else base.rearranged(items, prints, front)
        parts: list[segments.Ranges] = []
        frozen: list[Any] = []
        blocks: list[tuple[int, Block]] = []
        for old, start, stop in segments.kept_runs(kept):
            if old is None or base is None:
                ranges, block = self._store_items(target, items[start:stop], messages and messages[start:stop])
                parts.append(ranges)
                blocks.append((start, block))
                frozen += [None] * (stop - start)
            else:
                parts.append(segments.cut(base.ranges, old, old + stop - start))
                frozen += base.frozen[old : old + stop - start]
        hot = HotList(segments.join(*parts), [], [], [], base is None or base.thawable)
        hot.append(list(map(type, items)), prints, frozen)
        for start, block in blocks:
            hot.note_block(start, block)
        return hot

    def _store_items(
        self, target: Target, items: list[Any], messages: list[Packed] | None
    ) -> tuple[segments.Ranges, Block]:
        space = target.space
        lane = space.lanes.get(target.channel)
        if lane is None:
            unused = 1 if space.is_new else self.reader.next_position(space.id, None) // segments.LANE
            lane = max([unused, *(used + 1 for used in space.lanes.values())])
            space.lanes[target.channel] = lane
        typed = target.serde.dumps_typed(items) if messages is None else ("msgpack", dumped(messages))
        block = Block(typed, 0, len(items), len(items), messages or ())
        position = self._block(space, target.rows, lane, len(items), block.typed)
        return (position, position + len(items)), block

    # -- rows -------------------------------------------------------------------------------------------------------

    def _rows(self, space: HotNamespace) -> Rows:
        rows = Rows(space.id)
        if not space.stored:
            space.stored = True
            rows.named = (space.thread_id, space.checkpoint_ns)
        return rows

    def _note_run(self, space: HotNamespace, rows: Rows, run_id: Any) -> None:
        if run_id is not None and run_id != space.last_run:
            space.last_run = run_id
            rows.run = str(run_id)

    def _block(self, space: HotNamespace, rows: Rows, lane: int, items: int, typed: tuple[str, bytes]) -> int:
        position = space.next_positions.get(lane)
        if position is None:
            position = lane * segments.LANE if space.is_new else self.reader.next_position(space.id, lane)
        space.next_positions[lane] = position + items
        rows.blocks = [*rows.blocks, (position, items, next(self.body_ids), *_stored(typed))]
        return position

    def _entry(self, rows: Rows, checkpoint_id: str, body: Typed) -> None:
        rows.checkpoint_id = checkpoint_id
        rows.body = next(self.body_ids)
        rows.kind, rows.data = _stored(body)

    def _refs_of(
        self, space: HotNamespace, parent_id: str | None, serde: SerializerProtocol
    ) -> Mapping[str, tuple[Any, Ref | None]]:
        if parent_id is None:
            return {}
        if space.refs_of == parent_id:
            return space.refs
        found = self.reader.skeleton(space.id, parent_id, serde)
        return {} if found is None else found.refs


def _prints(items: list[Any], messages: list[Packed] | None) -> list[bytes]:
    return pack_each(items) if messages is None else [fields for _, fields in messages]


def _stored(typed: Typed) -> tuple[str | None, bytes]:
    kind, data = typed
    return (None if kind == "msgpack" else kind), data


def _plain(config: RunnableConfig) -> RunnableConfig:
    """The same with its metadata as one dict: LangGraph passes a `ChainMap`, which is slow to go through."""
    metadata: Any = config.get("metadata")
    if type(metadata) is not ChainMap:
        return config
    merged: dict[str, Any] = {}
    for one in reversed(metadata.maps):
        merged.update(one)
    return {**config, "metadata": merged}


def _located(ref: Ref) -> Any:
    if isinstance(ref, tuple):
        return segments.stored_form(ref)
    if isinstance(ref, dict) and "d" in ref:
        return {"d": segments.stored_form(ref["d"])}
    return ref


def _is_scalar(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return len(value) <= _SHORT_TEXT
    return value is None or kind is bool or kind is float or (kind is int and value.bit_length() < 64)
