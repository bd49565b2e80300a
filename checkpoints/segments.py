"""A list as ranges of stored items: what two versions of a list share is stored once.

Every item of a namespace has a position, given once. Each list channel has a lane of positions to itself, so that what
is appended to it touches what came before. A list is a flat tuple of half-open ranges of positions,
`(start, end, start, end, ...)`. Appending lengthens the last range; an edit, a removal or a fork reuses the ranges of
what stayed. Nothing here touches a value: only numbers.
"""

from collections.abc import Iterator, Sequence

Ranges = tuple[int, ...]

MOST_RANGES = 32  # a list more scattered than this is written anew, which bounds what a read has to collect
LANE = 1 << 40  # positions in a lane; lane 0 is for values that are not lists


def length(ranges: Ranges) -> int:
    """How many items the ranges hold."""
    return sum(ranges[1::2]) - sum(ranges[::2])


def pairs(ranges: Ranges) -> Iterator[tuple[int, int]]:
    """The ranges one by one."""
    return zip(ranges[::2], ranges[1::2], strict=True)


def cut(ranges: Ranges, start: int, stop: int) -> Ranges:
    """The ranges of the items `start` to `stop` (as list indexes) of the list that `ranges` describes."""
    taken: list[int] = []
    offset = 0
    for first, last in pairs(ranges):
        low, high = max(start - offset, 0), min(stop - offset, last - first)
        if low < high:
            taken += (first + low, first + high)
        offset += last - first
    return tuple(taken)


def join(*parts: Ranges) -> Ranges:
    """Concatenate, melting neighbours that touch."""
    joined: list[int] = []
    for part in parts:
        for first, last in pairs(part):
            if joined and joined[-1] == first:
                joined[-1] = last
            else:
                joined += (first, last)
    return tuple(joined)


def stored_form(ranges: Ranges) -> list[int]:
    """The lane, then the ranges counted from its start: a few bytes in every checkpoint."""
    lane = ranges[0] // LANE if ranges else 0
    return [lane, *(position - lane * LANE for position in ranges)]


def from_stored(stored: Sequence[int]) -> Ranges:
    """The ranges that `stored_form` made this of."""
    lane, *positions = stored
    return tuple(position + lane * LANE for position in positions)


def kept_runs(kept: list[int | None]) -> Iterator[tuple[int | None, int, int]]:
    """Group a plan of where each item comes from into runs.

    `kept[i]` is the old index that new item i equals, or None for a new one. Yields `(old_start, start, stop)`.
    """
    start = 0
    for stop in range(1, len(kept) + 1):
        before = kept[stop - 1]
        follows = stop < len(kept) and kept[stop] == (None if before is None else before + 1)
        if not follows:
            yield kept[start], start, stop
            start = stop
