"""Ends that are told before the disk has them, because the next start would come to the same end by itself.

A run's checkpoints are on the disk before its end is stored. If the power goes then and takes the end with it, the row
says that the run goes on: the next start takes it up, finds nothing left to do in its checkpoints, runs no node and
ends it as before. So such an end need not wait for the disk; it follows within some ten milliseconds. What must not
happen meanwhile is that the thread moves on: with other checkpoints on the disk and the end lost, the run would be
carried out again on top of them. Whoever is about to change the thread's state waits for its end first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from threadkeep.storage.database import Database


class EarlyEnds:
    """Those that the disk may not have yet, by thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places: dict[str, int] = {}
        self._coming: dict[str, asyncio.Future[None]] = {}

    @contextmanager
    def coming(self, thread_id: str) -> Iterator[None]:
        """Around the commit of one, which others may see before the block knows of it."""
        known = self._coming[thread_id] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._coming[thread_id]
            known.set_result(None)

    def add(self, thread_id: str) -> None:
        """The end of the thread's run is committed, and told."""
        for past in [past for past, place in self._places.items() if self._database.is_on_disk(place)]:
            del self._places[past]
        self._places[thread_id] = self._database.sync_soon()

    async def until_safe(self, thread_id: str) -> None:
        if (known := self._coming.get(thread_id)) is not None:
            await asyncio.shield(known)
        place = self._places.get(thread_id)
        if place is not None:
            await self._database.sync(place)
