"""Long lists of messages, lent and taken back: a run of a long thread starts without a copy of every message.

The messages handed to the last reader are kept. If nobody else holds any part of them any more, and their content is
what it was, the next reader gets the same objects; if not, new ones. Who still holds one is asked of the reference
counts, of the messages and of every dict and list in them, so that two readers never share anything.

While they are out, a list is known to be unchanged by comparing contents with witnesses: trees in which a number is
equal only to a number of its own type. What they do not show is a new order of a dict's keys.
"""

import sys
from collections.abc import Sequence
from operator import attrgetter, is_
from typing import Any

from checkpoints.items import Frozen, thaw

SHORTEST = 256  # below it a copy costs less than the memory to avoid it
WEIGHT = 3_000  # bytes of memory that a lent record takes, roughly
_MOST_NEW = 1_000
_NUMBERS = (int, float, bool)

_fields = attrgetter("__dict__")
_extra = attrgetter("__pydantic_extra__")
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
    """The records handed out last, what they contained, and everything in them that could be shared."""

    __slots__ = ("_parts", "_records", "_witnesses")

    def __init__(self) -> None:
        self._records: list[Any] = []
        self._witnesses: list[Any] = []
        self._parts: list[Any] = []

    def __len__(self) -> int:
        return len(self._records)

    def lend(self, frozen: Sequence[Frozen]) -> list[Any]:
        """Records of these items: the same as last time where nobody has them, or else new ones.

        Of a list not lent before only a part is kept for the next time: getting ready costs more than a copy.
        """
        if not (len(self._records) <= len(frozen) and self._is_alone() and self._is_unchanged()):
            self._records, self._witnesses, self._parts = [], [], []
        lent = [*self._records, *thaw(frozen[len(self._records) :])]
        for record in lent[len(self._records) : len(self._records) + _MOST_NEW]:
            self._records.append(record)
            self._note_parts(record.__dict__)
            self._witnesses.append(_witness(record.__dict__))
        return lent

    def unchanged(self, items: Sequence[Any]) -> int:
        """How many items from the front are lent records with the content they were lent with: all of them, or 0."""
        count = len(self._records)
        lent = len(items) >= count and all(map(is_, items, self._records))
        return count if lent and self._is_unchanged() else 0

    def _is_unchanged(self) -> bool:
        return list(map(_fields, self._records)) == self._witnesses and not any(map(_extra, self._records))

    def _is_alone(self) -> bool:
        return set(map(sys.getrefcount, self._records)) <= _ONCE and set(map(sys.getrefcount, self._parts)) <= _TWICE

    def _note_parts(self, part: Any) -> None:
        self._parts.append(part)
        for inner in part.values() if type(part) is dict else part:
            if type(inner) is dict or type(inner) is list:
                self._note_parts(inner)


def _witness(tree: Any) -> Any:
    kind = type(tree)
    if kind is dict:
        return {key: value if type(value) is str else _witness(value) for key, value in tree.items()}
    if kind is list:
        return [_witness(value) for value in tree]
    return _Exactly(tree) if kind in _NUMBERS else tree
