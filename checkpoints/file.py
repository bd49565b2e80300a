"""An open checkpoint file: what every clone of a saver shares.

It joins the journal (who writes when), the recorder (what a checkpoint adds), the reader, and the hot threads. Every
method that touches them does so in one go under the journal's lock, and decodes big lists outside it. `attempt` is the
only way in: it waits, without blocking the loop, while the file is held by a removal or by another process.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

import apsw
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, PendingWrite
from langgraph.checkpoint.serde.base import SerializerProtocol

from checkpoints import schema
from checkpoints.blocks import Block
from checkpoints.commit import CHECKPOINT_PAGES, Journal
from checkpoints.disk import Wal
from checkpoints.hot import HotList, HotNamespace, HotThreads, Ref, Remembered
from checkpoints.items import Frozen, thaw
from checkpoints.lending import Lent
from checkpoints.ownership import owned_file
from checkpoints.reading import (
    Reader,
    Skeleton,
    decode_skeleton,
    list_ranges,
    load_items,
    merge_writes,
    recall,
    snapshot_or_list,
)
from checkpoints.recording import Recorder
from checkpoints.rows import Rows
from checkpoints.segments import Ranges, cut, length

T = TypeVar("T")

HOT_BYTES = 64_000_000
BIG_READ = 500_000  # bytes of encoded items beyond which they are decoded off the loop
_RETRY_SECONDS = 0.02


class FileHeldError(Exception):
    """Queued rows could not be committed yet: the file is held by a removal or by another process."""


@dataclass(slots=True)
class ListPart:
    """A list to be handed out: its remembered beginning, and the stored blocks of the rest."""

    ref: Ref
    ranges: Ranges
    hot: HotList | None
    known: int  # items of the beginning
    begins: list[Frozen]
    lent: list[Any] | None  # the beginning itself, where it need not be copied
    rest: Ranges
    blocks: list[Block] = field(default_factory=list)
    read: list[Remembered] | None = None


@dataclass(slots=True)
class Found:
    """A checkpoint as read from the file, its lists not yet decoded."""

    space: HotNamespace
    skeleton: Skeleton
    writes: list[PendingWrite]
    values: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, ListPart] = field(default_factory=dict)

    def is_big(self) -> bool:
        """Whether decoding is more than the event loop should be kept from its other work for."""
        return sum(len(block.typed[1]) for part in self.lists.values() for block in part.blocks) > BIG_READ

    def decode(self, serde: SerializerProtocol) -> dict[str, Any]:
        """The channel values, in the checkpoint's order, as objects nobody else has."""
        for channel, part in self.lists.items():
            loaded, part.read = load_items(part.blocks, serde)
            begins = thaw(part.begins) if part.lent is None else part.lent
            self.values[channel] = snapshot_or_list(part.ref, begins + loaded)
        return {channel: self.values[channel] for channel in self.skeleton.refs if channel in self.values}


class CheckpointFile:
    """See the module's docstring. Open it with `open_file`."""

    def __init__(self, writer: apsw.Connection, scanner: apsw.Connection, journal: Journal, hot: HotThreads) -> None:
        self.journal = journal
        self.hot = hot
        self.reader = Reader(writer, self._make_visible)
        self.scanner = Reader(scanner, lambda: None)  # for scans on worker threads; whoever scans drains first
        # Who scans has the scanner; if it is the writer too (a VFS without shared memory), that is everybody's lock.
        self.scanning = journal.lock if scanner is writer else threading.RLock()
        newest_body = writer.execute("SELECT max(id) FROM body").get or 0
        newest_space = writer.execute("SELECT max(id) FROM namespace").get or 0
        self.body_ids = count(newest_body + 1)
        self.space_ids = count(newest_space + 1)
        self.recorder = Recorder(self.reader, self.body_ids)
        self._lent: WeakSet[Lent] = WeakSet()  # not looked at since they were lent

    def skip_bodies(self, last: int) -> None:
        """Ids up to `last` were given to bodies by a copy. For a rewriting that runs alone."""
        self.recorder.body_ids = self.body_ids = count(last + 1)

    def _make_visible(self) -> None:
        if not self.journal.try_drain():
            raise FileHeldError

    # -- waiting ----------------------------------------------------------------------------------------------------

    async def attempt(self, act: Callable[[], T], wait_to_write: Callable[[], None] | None = None) -> T:
        """Run `act` under the lock, as often as the file is held by others.

        A writer says how to put by what it was given before it has to wait: its run goes on meanwhile, and may edit
        in place what is to be stored as it is now.
        """
        while True:
            if wait_to_write is not None and self.journal.must_wait:
                wait_to_write()
                await self.journal.writable()
            try:
                with self.journal.lock:
                    if wait_to_write is None or not self.journal.must_wait:  # it may have begun since
                        return act()
            except (FileHeldError, apsw.BusyError) as held:
                if wait_to_write is not None:
                    wait_to_write()
                await (self.journal.drained() if isinstance(held, FileHeldError) else asyncio.sleep(_RETRY_SECONDS))

    def attempt_here(self, act: Callable[[], T], wait_to_write: Callable[[], None] | None = None) -> T:
        """The same, blocking the calling thread."""
        while True:
            if wait_to_write is not None and self.journal.must_wait:
                wait_to_write()
                self.journal.wait_writable()
            try:
                with self.journal.lock:
                    if wait_to_write is None or not self.journal.must_wait:  # it may have begun since
                        return act()
            except (FileHeldError, apsw.BusyError) as held:
                if wait_to_write is not None:
                    wait_to_write()
                if isinstance(held, FileHeldError):
                    self.journal.drain()
                else:
                    time.sleep(_RETRY_SECONDS)

    async def flush(self) -> None:
        """Return when everything queued before is on the disk. While it is waited for, lent items are taken back."""
        if self._lent and self.journal.on_loop:
            asyncio.get_running_loop().call_soon(self._take_back)
        await self.journal.flush()

    def _take_back(self) -> None:
        with self.journal.lock:
            for lent in [lent for lent in self._lent if not lent.seems_held()]:
                lent.take_back()
                self._lent.discard(lent)

    # -- under the lock ---------------------------------------------------------------------------------------------

    def space(self, config: RunnableConfig) -> HotNamespace | None:
        """The namespace a config names, if it has anything stored."""
        thread_id, checkpoint_ns = names(config)
        known = self.hot.get(thread_id, checkpoint_ns)
        if known is None:
            found = self.reader.namespace_id(thread_id, checkpoint_ns)
            if found is None:
                return None
            newest_id = self.reader.newest_id(found) or ""
            known = HotNamespace(found, thread_id, checkpoint_ns, newest_id, stored=True)
            self.hot.keep(known)
        return known

    def space_to_write(self, config: RunnableConfig) -> HotNamespace:
        """The namespace a config names, new if it has to be."""
        known = self.space(config)
        if known is None:
            known = HotNamespace(
                next(self.space_ids), *names(config), newest_id="", stored=False, is_new=True, furthest_id=""
            )
            self.hot.keep(known)
        return known

    def record(self, space: HotNamespace, make: Callable[[], Rows]) -> Rows:
        """Queue the rows that `make` returns; a failure in between leaves nothing remembered that is not stored."""
        try:
            rows = make()
        except BaseException:
            self.hot.forget({space.id})
            raise
        self.journal.add(rows)
        space.queued = rows
        self.hot.keep(space)  # it weighs more now
        return rows

    def find(self, config: RunnableConfig, serde: SerializerProtocol) -> Found | None:
        """The checkpoint a config names, or its thread's latest; values still encoded."""
        space = self.space(config)
        if space is None:
            return None
        if space.queued is not None and not space.queued.answered:
            self._make_visible()  # nobody is shown what a killed process could still lose
            return self.find(config, serde)
        checkpoint_id = config["configurable"].get("checkpoint_id") or space.newest_id
        head = space.head
        if head is not None and head.checkpoint_id == checkpoint_id:
            skeleton: Skeleton | None = decode_skeleton(checkpoint_id, head.body, serde)
            writes = merge_writes(head.writes, serde)
        else:
            skeleton = self.reader.skeleton(space.id, checkpoint_id, serde)
            writes = self.reader.writes(space.id, checkpoint_id, serde)
        if skeleton is None:
            return None
        found = Found(space, skeleton, writes)
        recall_lists(found, self._lent)
        fetch(found, self.reader, serde)
        return found

    def remember(self, found: Found) -> None:
        """After a run's or a client's read: keep what was decoded, to store only what it will add."""
        space = self.hot.get(found.space.thread_id, found.space.checkpoint_ns)
        if space is not found.space:
            return
        space.refs_of, space.refs = found.skeleton.checkpoint_id, found.skeleton.refs
        for channel, part in found.lists.items():
            if part.read is None:
                continue
            if part.hot is None:
                space.remember(channel, recall(part.ranges, part.read))
            elif part.read and part.hot.ranges == part.ranges:
                part.hot.complete(part.known, part.read)
                if any(item.frozen is None for item in part.read):
                    part.hot.thawable, part.hot.unread = False, []
        self.hot.keep(space)


def names(config: RunnableConfig) -> tuple[str, str]:
    """The thread id and namespace of a config, as text."""
    configurable = config["configurable"]
    return str(configurable["thread_id"]), str(configurable.get("checkpoint_ns", ""))


def recall_lists(found: Found, lent_out: WeakSet[Lent] | None = None) -> None:
    """Take what is remembered of the checkpoint's lists; under the lock, and before `fetch`.

    With `lent_out` the items of long lists may be objects that go to the next reader too, once this one is done with
    them; it is told of them.
    """
    for channel, (_, ref) in found.skeleton.refs.items():
        ranges = list_ranges(ref)
        if ref is not None and ranges is not None:
            hot = found.space.beginning_with(channel, ranges)
            known, lent = 0, None
            begins: list[Frozen] = []
            if hot is not None:
                known = hot.thawed_part(length(ranges))
                if lent_out is not None and hot.ranges == ranges:
                    lent = hot.lend(known)
                if lent is None:
                    begins = hot.frozen[:known]  # type: ignore[assignment]
                elif lent_out is not None and hot.lent is not None:
                    lent_out.add(hot.lent)
            part = ListPart(ref, ranges, hot, known, begins, lent, ranges)
            if hot is not None and (unread := hot.unread_blocks(known, length(ranges))) is not None:
                part.rest, part.blocks = (), unread
            elif known:
                part.rest = cut(ranges, known, length(ranges))
            found.lists[channel] = part


def fetch(found: Found, reader: Reader, serde: SerializerProtocol) -> None:
    """Read everything else that the checkpoint's values need, decoding only what is small."""
    for part in found.lists.values():
        if part.rest:
            part.blocks = reader.blocks(found.space.id, part.rest)
    for channel, (_, ref) in found.skeleton.refs.items():
        if isinstance(ref, int):
            found.values[channel] = serde.loads_typed(reader.whole(found.space.id, ref))
        elif isinstance(ref, dict) and "v" in ref:
            found.values[channel] = ref["v"]


def checkpoint_tuple(found: Found, values: dict[str, Any], config: RunnableConfig | None = None) -> CheckpointTuple:
    """A saver's answer, of a checkpoint and its decoded values."""
    space, skeleton = found.space, found.skeleton

    def configured(checkpoint_id: str) -> RunnableConfig:
        return {
            "configurable": {
                "thread_id": space.thread_id,
                "checkpoint_ns": space.checkpoint_ns,
                "checkpoint_id": checkpoint_id,
            }
        }

    return CheckpointTuple(
        config=config or configured(skeleton.checkpoint_id),
        checkpoint={**skeleton.checkpoint, "id": skeleton.checkpoint_id, "channel_values": values},  # type: ignore[typeddict-item]
        metadata=skeleton.metadata,
        parent_config=None if skeleton.parent_id is None else configured(skeleton.parent_id),
        pending_writes=found.writes,
    )


@asynccontextmanager
async def open_file(
    path: Path,
    *,
    hot_bytes: int = HOT_BYTES,
    wal_pages: int = CHECKPOINT_PAGES,
    vfs: str | None = None,
    sync_wal: Callable[[], None] | None = None,
) -> AsyncIterator[CheckpointFile]:
    """Open a checkpoint file for the running loop, alone in it and in any other process.

    `hot_bytes` bounds what is remembered of threads in use; beyond `wal_pages` (4 KB each) the WAL is copied into the
    file.
    `vfs` names a registered SQLite VFS to go through, and `sync_wal` makes its WAL durable: how the power-cut tests
    come between.
    """
    with owned_file(path), ExitStack() as stack:
        alone = vfs is not None
        writer = schema.connect(path, vfs=vfs, exclusive=alone)
        stack.callback(writer.close)
        schema.prepare(writer, path)
        schema.settle(writer)
        second, scanner = (writer, writer) if alone else (schema.connect(path), schema.connect(path))
        stack.callback(second.close)
        stack.callback(scanner.close)
        hot = HotThreads(hot_bytes)
        journal = Journal(writer, second, Wal(path, sync_wal), hot.forget, wal_pages)
        file = CheckpointFile(writer, scanner, journal, hot)
        try:
            yield file
        finally:
            await asyncio.to_thread(journal.close)
