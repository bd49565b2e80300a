"""What is remembered of threads in use: enough to store only what a super-step added. Bounded; never the truth.

Everything here can be dropped at any moment and is read again from the file. All of it is used under the journal's
lock.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from checkpoints.blocks import Block, Typed
from checkpoints.items import CHUNK, Frozen, pack_each, same_front
from checkpoints.lending import SHORTEST, WEIGHT, Lent
from checkpoints.rows import Rows
from checkpoints.segments import Ranges, cut, length

Version = str | int | float
Ref = int | Ranges | dict[str, Any]  # a whole value's position, a list's ranges, or {"v": scalar} / {"d": ranges}

_SMALL = 8_000  # bytes of a checkpoint without its values, or of a task's writes, that are worth remembering
_MOST_WRITES = 4
_LISTS_PER_CHANNEL = 3  # the head, and branches that run beside it
_MOST_NAMESPACES = 1_000  # 5 MB of short threads; another is read from the file, in a third of a millisecond
_NAMESPACE_OVERHEAD = 4_000  # measured: what a thread of two short messages takes, less what is stored of it
_ITEM_OVERHEAD = 120  # bytes of Python objects round the bytes of one item, roughly


@dataclass(frozen=True, slots=True)
class Remembered:
    """One item just read: its class, what it looks like, and its frozen form if it has one."""

    kind: type
    print: bytes
    frozen: Frozen | None


@dataclass(slots=True)
class HotList:
    """One stored list: where its items lie, what they looked like when last seen, and as they come from the file."""

    ranges: Ranges
    kinds: list[type]
    prints: list[bytes]
    frozen: list[Frozen | None]
    thawable: bool = True
    weight: int = 0
    lent: Lent | None = None
    lent_weighed: int = 0
    read_back: int = 0  # items before the first that was not read back yet
    records: int = 0  # and before the first of those that is no message
    unread: list[tuple[int, Block]] = field(default_factory=list)  # with the index of its first item: not read back yet

    def __len__(self) -> int:
        return len(self.prints)

    def append(self, kinds: list[type], prints: list[bytes], frozen: list[Frozen | None]) -> None:
        """Remember more items at the end."""
        self.kinds += kinds
        self.prints += prints
        self.frozen += frozen
        self.weight += sum(map(len, prints)) + _ITEM_OVERHEAD * len(prints)

    def note_block(self, start: int, block: Block) -> None:
        """Items from `start` on, as they were stored just now: not to be read from the file when they are read back."""
        if self.thawable:
            self.unread.append((start, block))
            self.weight += len(block.typed[1])

    def unread_blocks(self, start: int, stop: int) -> list[Block] | None:
        """The stored items `start` to `stop`; None if some of them are only in the file."""
        blocks: list[Block] = []
        for index, block in self.unread:
            low, high = max(start - index, 0), min(stop - index, block.count)
            if index + low == start and low < high:
                blocks.append(Block(block.typed, low, high, block.count, block.packed))
                start = index + high
        return blocks if start == stop else None

    def thawed_part(self, count: int) -> int:
        """How many of the first `count` items stand before the first that was not read back yet."""
        for item in islice(self.frozen, self.read_back, None):
            if item is None:
                break
            self.records += self.records == self.read_back and item.kind is not None
            self.read_back += 1
        return min(count, self.read_back)

    def lend(self, count: int) -> list[Any] | None:
        """The first `count` items without copying what nobody holds; None if that is not worth it."""
        if count < SHORTEST or self.records < count:
            return None
        if self.lent is None:
            self.lent = Lent()
        items = self.lent.lend(self.frozen, count)
        self.weight += WEIGHT * (len(self.lent) - self.lent_weighed)
        self.lent_weighed = len(self.lent)
        return items

    def complete(self, start: int, read: list["Remembered"]) -> None:
        """Items from `start` on were read back: they are what will be seen next."""
        stop = start + len(read)
        self.kinds[start:stop] = [item.kind for item in read]
        self.prints[start:stop] = [item.print for item in read]
        self.frozen[start:stop] = [item.frozen for item in read]
        self.weight -= sum(len(block.typed[1]) for index, block in self.unread if index < stop)
        self.unread = [(index, block) for index, block in self.unread if index >= stop]

    def same(self, index: int, item: Any, packed: bytes) -> bool:
        """Whether an item, packed, is the one at the index."""
        return self.kinds[index] is type(item) and self.prints[index] == packed

    def same_front(self, items: list[Any]) -> int:
        """How many items from the front are unchanged, in place too. Raises UnpackableError."""
        known = self.lent.unchanged(items) if self.lent is not None else 0
        front = same_front(items, self.kinds, self.prints, known)
        for index in range(front, min(len(items), len(self), front + CHUNK)):
            if not self.same(index, items[index], pack_each(items[index : index + 1])[0]):
                break
            front += 1
        return front

    def rearranged(self, items: list[Any], prints: list[bytes], front: int) -> list[int | None]:
        """For each item the index it is already stored under, or None, when only `front` of them are as before.

        Found again are what ends alike, and what stands at the same place.
        """
        kept: list[int | None] = [*range(front), *[None] * (len(items) - front)]
        back, shift = len(items), len(self) - len(items)
        while back > front and back + shift > front and self.same(back - 1 + shift, items[back - 1], prints[back - 1]):
            back -= 1
            kept[back] = back + shift
        if shift == 0:
            for index in range(front, back):
                if self.same(index, items[index], prints[index]):
                    kept[index] = index
        return kept


@dataclass(slots=True)
class Head:
    """A checkpoint as it was put, with all writes on it: what a read of it would find in the file."""

    checkpoint_id: str
    body: Typed
    writes: tuple[Typed, ...] = ()


@dataclass(slots=True)
class HotNamespace:
    """A namespace in use: its counters, and the channels of the checkpoint put or read last."""

    id: int
    thread_id: str
    checkpoint_ns: str
    newest_id: str
    stored: bool
    is_new: bool = False  # all of it was recorded since this was made
    refs_of: str | None = None
    refs: dict[str, tuple[Version, Ref | None]] = field(default_factory=dict)
    lists: dict[str, list[HotList]] = field(default_factory=dict)
    wholes: dict[str, tuple[str, bytes, int]] = field(default_factory=dict)
    last_run: str | None = None
    lanes: dict[str, int] = field(default_factory=dict)
    next_positions: dict[int, int] = field(default_factory=dict)
    head: Head | None = None
    furthest_id: str | None = None  # no checkpoint or write has a greater id; None: not known
    queued: Rows | None = None  # the last rows recorded
    weight: int = 0

    def note_checkpoint(self, checkpoint_id: str, body: Typed) -> None:
        """Remember a checkpoint, if it is the newest and nothing was written on it before."""
        if self.furthest_id is not None and checkpoint_id > self.furthest_id and len(body[1]) <= _SMALL:
            self.head, self.furthest_id = Head(checkpoint_id, body), checkpoint_id
        else:
            self.head = None
            self.note_id(checkpoint_id)

    def note_writes(self, checkpoint_id: str, body: Typed) -> None:
        """Remember writes along with their checkpoint."""
        self.note_id(checkpoint_id)
        if self.head is not None and self.head.checkpoint_id == checkpoint_id:
            if len(body[1]) > _SMALL or len(self.head.writes) == _MOST_WRITES:
                self.head = None
            else:
                self.head.writes += (body,)

    def note_id(self, checkpoint_id: str) -> None:
        """Something was stored under this id."""
        if self.furthest_id is not None:
            self.furthest_id = max(self.furthest_id, checkpoint_id)

    def list_at(self, channel: str, ranges: Ranges | None) -> HotList | None:
        """The remembered list with these ranges, else the last one of the channel."""
        known = self.lists.get(channel)
        if not known:
            return None
        for one in reversed(known):
            if one.ranges == ranges:
                return one
        return known[-1]

    def beginning_with(self, channel: str, ranges: Ranges) -> HotList | None:
        """A remembered list that begins with exactly these ranges."""
        count = length(ranges)
        for known in reversed(self.lists.get(channel, [])):
            if known.thawable and len(known) >= count and cut(known.ranges, 0, count) == ranges:
                return known
        return None

    def remember(self, channel: str, hot: HotList, instead_of: HotList | None = None) -> None:
        """Make a list the channel's last one."""
        known = self.lists.setdefault(channel, [])
        known[:] = [one for one in known if one is not hot and one is not instead_of][1 - _LISTS_PER_CHANNEL :]
        known.append(hot)

    def weigh(self) -> int:
        """Bytes of memory, roughly."""
        total = _NAMESPACE_OVERHEAD
        for known in self.lists.values():
            for hot in known:
                total += hot.weight
        for _, data, _ in self.wholes.values():
            total += len(data)
        if self.head is not None:
            for _, data in (self.head.body, *self.head.writes):
                total += len(data)
        return total


class HotThreads:
    """The namespaces in use, the longest unused dropped first when they weigh too much or are too many.

    A thread of two messages weighs so little that weight alone would keep ten thousand that nobody comes back to.
    """

    def __init__(self, most_bytes: int, most: int = _MOST_NAMESPACES) -> None:
        self._most_bytes = most_bytes
        self._most = most
        self._bytes = 0
        self._known: OrderedDict[tuple[str, str], HotNamespace] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def weight(self) -> int:
        return self._bytes

    def get(self, thread_id: str, checkpoint_ns: str) -> HotNamespace | None:
        key = (thread_id, checkpoint_ns)
        if (found := self._known.get(key)) is not None:
            self._known.move_to_end(key)
        return found

    def keep(self, namespace: HotNamespace) -> None:
        """Remember a namespace, or weigh it again after it has changed."""
        key = (namespace.thread_id, namespace.checkpoint_ns)
        self._bytes -= namespace.weight if self._known.get(key) is namespace else 0
        namespace.weight = namespace.weigh()
        self._known[key] = namespace
        self._bytes += namespace.weight
        while len(self._known) > 1 and (self._bytes > self._most_bytes or len(self._known) > self._most):
            oldest = next(iter(self._known.values()))
            if oldest.queued is not None and not oldest.queued.answered:
                break  # what is not here is in the file
            del self._known[oldest.thread_id, oldest.checkpoint_ns]
            self._bytes -= oldest.weight

    def forget(self, namespaces: set[int] | None = None) -> None:
        """Drop these namespaces, or all."""
        for key, known in list(self._known.items()):
            if namespaces is None or known.id in namespaces:
                del self._known[key]
                self._bytes -= known.weight
