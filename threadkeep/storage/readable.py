"""A row that cannot be read (damaged, or written by another version) costs nobody else's rows theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TypeVar

import structlog

from threadkeep.errors import CorruptError
from threadkeep.storage.connection import Row

log = structlog.get_logger("threadkeep.storage")

T = TypeVar("T")


class UnreadableRowError(CorruptError):
    """A stored row cannot be read."""


def reads(kind: str) -> Callable[[Callable[[Row], T]], Callable[[Row], T]]:
    """For what makes a record of a row, whose first column is its id: it then raises `UnreadableRowError` alone."""

    def decorate(read: Callable[[Row], T]) -> Callable[[Row], T]:
        @wraps(read)
        def read_or_say(row: Row) -> T:
            try:
                return read(row)
            except (ValueError, TypeError) as error:
                raise UnreadableRowError(f"The {kind} {row[0]} cannot be read as it is stored: {error}") from error

        return read_or_say

    return decorate


def readable(read: Callable[[Row], T], rows: Iterable[Row]) -> list[T]:
    """What can be read of the rows; each that cannot be is told to the log."""
    return [found for row in rows if (found := readable_or_none(read, row)) is not None]


def readable_or_none(read: Callable[[Row], T], row: Row) -> T | None:
    try:
        return read(row)
    except UnreadableRowError as error:
        log.error("row_passed_over", error=str(error))
        return None
