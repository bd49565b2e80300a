"""What the server asks of a database: small reads, and pieces of work that happen whole or not at all.

`sqlite.py` and `postgres.py` keep these promises; everything above them is the same on both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from threadkeep.storage.connection import Arguments, Connection, Row
from threadkeep.storage.dialect import Dialect

T = TypeVar("T")
Work = Callable[[Connection], T]
Settled = Callable[["asyncio.Future[T]"], None]
"""Told what a piece of work came to, on the event loop."""


class Database(Protocol):
    @property
    def name(self) -> str:
        """Where it is, as people may be told: no password."""

    @property
    def dialect(self) -> Dialect: ...

    async def read(self, sql: str, arguments: Arguments = ()) -> list[Row]:
        """All rows of one small query; it sees every write that has been awaited."""

    async def scan(self, sql: str, arguments: Arguments = ()) -> list[Row]:
        """As `read`, for a query that may have to look at very many rows: nobody else waits for it."""

    async def read_one(self, sql: str, arguments: Arguments = ()) -> Row | None: ...

    async def write(self, work: Work[T], *, durable: bool = True, settled: Settled[T] | None = None) -> T:
        """Run `work` in a transaction and give back what it returned, once that cannot be undone by a killed process
        and, if `durable`, by a power cut.

        An error of ours that `work` raises undoes it and is raised here. `work` may be run again from the beginning, so
        it changes nothing but the database (or what it may well change twice). `settled` is told what it came to even
        when the caller was cancelled meanwhile, which takes nothing back. Raises `UnavailableError` when nothing could
        be stored.
        """

    async def sync(self, upto: int | None = None) -> None:
        """Return once everything that was written so far, or up to that place, is safe from a power cut.

        A place is a number in the order of commits, which is the order in which they become safe.
        """

    def is_on_disk(self, place: int) -> bool:
        """Whether everything up to that place is safe from a power cut."""

    def start_sync(self, upto: int) -> None:
        """Begin to make safe what was written up to that place, for whoever waits for it later."""

    def sync_soon(self) -> int:
        """What was written so far becomes safe within some ten milliseconds, though nobody waits for it; its place."""

    @property
    def promised(self) -> int:
        """The newest place of those that `sync_soon` has given, or that are further already."""

    async def check_writable(self) -> None:
        """Raises what a write would raise now."""

    async def quick_check(self) -> list[str]:
        """What is wrong with the file, as far as a quick look shows; empty when it is sound."""

    def hold(self, key: str) -> AbstractAsyncContextManager[None]:
        """Keep every other process from holding the same key, for the length of the block."""
