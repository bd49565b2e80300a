"""Long lists of messages, lent and taken back: a run of a long thread starts without a copy of every message.

The messages handed to the last reader are kept. If nobody else holds any part of them any more, and their content is
what it was, the next reader gets the same objects; if not, new ones. Who still holds one is asked of the reference
counts, of the messages and of every dict and list in them, so that two readers never share anything. What was found
back whole stays so until it is lent again, for nobody can reach it: so this is looked at while the disk is waited for,
and a read that comes later has no message to look at.

Looking at thousands of messages is waiting for memory, most of all where a thread has grown and they lie all over the
heap. So they are looked at in groups, and those that came a few at a time are made anew, side by side, once they are
many.

While they are out, a list is known to be unchanged by comparing all that its messages refer to with witnesses: trees
in which a number is equal only to a number of its own type. What they do not show is a new order of the keys of a dict
inside a message.
"""

import sys
from collections.abc import Sequence
from gc import get_referents
from itertools import chain, takewhile
from typing import Any

from checkpoints.items import thaw

SHORTEST = 256  # below it a copy costs less than the memory to avoid it
WEIGHT = 3_000  # bytes of memory that a lent record takes, roughly
_MOST_NEW = 1_000
_GROUP = 128  # records; made one after the other, and looked at before the next, they wait for memory once
_NUMBERS = (int, float, bool)
_NO_ENTRIES: dict[str, Any] = {}  # what stands for every empty dict and list: less memory to go through
_NO_ITEMS: list[Any] = []

_ONCE = set(map(sys.getrefcount, [object()]))  # what the count says of an object that only a list holds
_TWICE = {1 + next(iter(_ONCE))}


class _Exactly:
    """Equal to the same number of the same type, and to nothing else."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self.value) and repr(other) == repr(self.value)


class Lent:
    """The records handed out last, group by group from the first, as far as they can be handed out again."""

    __slots__ = ("__weakref__", "_groups", "_out")

    def __init__(self) -> None:
        self._groups: list[_Group] = []
        self._out = False

    def __len__(self) -> int:
        return sum(len(group.records) for group in self._groups)

    def lend(self, frozen: Sequence[Any], count: int) -> list[Any]:
        """Records of the first `count` frozen: the same as last time where nobody has them, or else new ones.

        Of a list not lent before only a part is kept for the next time: getting ready costs more than a copy.
        """
        self.take_back()
        while len(self) > count:
            self._groups.pop()
        self._bring_together(frozen)
        known = len(self)
        lent = [record for group in self._groups for record in group.records]
        lent += thaw(frozen[known:count])
        self._keep(lent[known : known + _MOST_NEW])
        self._out = True
        return lent

    def _bring_together(self, frozen: Sequence[Any]) -> None:
        """Make the last records anew that came in small groups, if there are enough for a whole one."""
        small = list(takewhile(lambda group: len(group.records) < _GROUP, reversed(self._groups)))
        count = sum(len(group.records) for group in small)
        if count >= _GROUP:
            # While the old ones are there, or the new ones would go where those were.
            made = thaw(frozen[len(self) - count : len(self)])
            del self._groups[-len(small) :]
            self._keep(made)

    def _keep(self, records: Sequence[Any]) -> None:
        """Keep records for the next time, up to the first that cannot be."""
        for start in range(0, len(records), _GROUP):
            part = records[start : start + _GROUP]
            group = _Group(part)
            if group.records:
                self._groups.append(group)
            if len(group.records) < len(part):
                return

    def take_back(self) -> None:
        """Keep only what nobody holds any part of any more, and is as it was."""
        if self._out:
            self._out = False
            good = takewhile(lambda group: group.is_alone() and group.is_as_lent(group.records), self._groups)
            del self._groups[sum(1 for _ in good) :]

    def seems_held(self) -> bool:
        """Whether somebody has the first record, and so most likely all of them."""
        return self._out and bool(self._groups) and not self._groups[0].first_is_alone()

    def unchanged(self, items: Sequence[Any]) -> int:
        """How many items from the front have the content that records were lent with, in whole groups."""
        start = 0
        for group in self._groups:
            stop = start + len(group.records)
            if not group.is_as_lent(items[start:stop]):
                break
            start = stop
        return start


class _Group:
    """Records next to each other, what they contained, and everything in them that could be shared."""

    __slots__ = ("_at", "_keys", "_others", "_parts", "_step", "_values", "records")

    def __init__(self, records: Sequence[Any]) -> None:
        self.records: list[Any] = []
        self._parts: list[Any] = []
        self._keys: list[str] = []  # of all records' fields, and witnesses of their values, one after the other
        self._values: list[Any] = []
        self._others: list[Any] = []  # what else a record refers to: its class, its undeclared fields
        self._at, self._step = 0, 1  # where in all that a record refers to its fields stand
        for record in records:
            if not self._note(record):
                break

    def _note(self, record: Any) -> bool:
        """False: the interpreter keeps the record's fields where they are not seen at once."""
        fields = record.__dict__
        others = get_referents(record)
        at, step = next((index for index, one in enumerate(others) if one is fields), None), len(others)
        if at is None or list(map(id, get_referents(fields))) != list(map(id, fields.values())):
            return False
        if not self.records:
            self._at, self._step = at, step
        elif (at, step) != (self._at, self._step):
            return False
        del others[at]
        self.records.append(record)
        self._keys += fields
        self._values += map(_witness, fields.values())
        self._others += map(_witness, others)
        self._note_parts(fields)
        return True

    def _note_parts(self, part: Any) -> None:
        self._parts.append(part)
        for inner in part.values() if type(part) is dict else part:
            if type(inner) is dict or type(inner) is list:
                self._note_parts(inner)

    def is_as_lent(self, records: Sequence[Any]) -> bool:
        """Three comparisons of flat lists: comparing dict by dict waits for memory several times as long."""
        others = get_referents(*records)
        fields = others[self._at :: self._step]
        del others[self._at :: self._step]
        return (
            others == self._others
            and get_referents(*fields) == self._values
            and list(chain.from_iterable(fields)) == self._keys
        )

    def is_alone(self) -> bool:
        return set(map(sys.getrefcount, self.records)) <= _ONCE and set(map(sys.getrefcount, self._parts)) <= _TWICE

    def first_is_alone(self) -> bool:
        return set(map(sys.getrefcount, self.records[:1])) == _TWICE


def _witness(tree: Any) -> Any:
    kind = type(tree)
    if kind is dict:
        entries = {key: value if type(value) is str else _witness(value) for key, value in tree.items()}
        return entries or _NO_ENTRIES
    if kind is list:
        return [_witness(value) for value in tree] or _NO_ITEMS
    return _Exactly(tree) if kind in _NUMBERS else tree
