"""One run's stream while it lives: its newest events in bounded memory, and the readers that follow them by id.

Nobody is ever sent anything: a reader asks for what comes after the id it has, and waits when there is nothing. So a
slow reader costs no memory of its own and never holds up the run; one that falls behind the buffer is told so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from threadkeep import json
from threadkeep.errors import ThreadkeepError

END = "end"


class GapError(ThreadkeepError):
    """The events after this id are no longer kept; read the thread's state instead."""


@dataclass(frozen=True, slots=True)
class Event:
    event_id: int
    """Dense per run, from 1, across restarts."""
    name: str
    """The SSE event: the stream mode, with `|` and the subgraph namespace appended where there is one."""
    beginning: bytes
    """JSON; all of it where there is no `end`."""
    attempt: int = 1
    at: int = 0
    """When, in milliseconds since 1970."""
    end: bytes = b""
    """What it has in common with the event before it: one object in memory for many tokens."""

    @property
    def data(self) -> bytes:
        """Its JSON."""
        return self.beginning + self.end

    @property
    def size(self) -> int:
        return len(self.beginning) + len(self.end)


class RunStream:
    def __init__(self, run_id: str, *, resumable: bool, buffer_bytes: int, last_id: int = 0) -> None:
        self.run_id = run_id
        self.resumable = resumable
        self.last_id = last_id
        self.assigned = last_id
        """The newest id given out; ahead of `last_id` while events are being stored."""
        self.ended = False
        self.ended_at = 0
        """The time of the terminal event, which is told once in storage and once here."""
        self.result: Any = None
        """The run's final values, for those who waited; set before the end."""
        self.outcome: dict[str, Any] = {}
        """Its status, usage and what else its record says of its end; set with the result."""
        self.readers = 0
        self.elsewhere = False
        """Another process has ended it: what it came to is read from its row."""
        self.produced = False
        """This process runs it; otherwise its events come from what another one stores."""
        self.followed = False
        """Readers at other processes may follow it: what it shows is stored for them, also if it is not resumable."""
        self.on_thread = False
        """Somebody follows it as part of its thread, and comes back with its ids."""
        self.coming = False
        """Its run is being stored just now."""
        self.stale = False
        """Another process has stored something since this was last looked at."""
        self.unsaved: list[Any] = []
        """Events of a resumable run that wait for the disk."""
        self.saver: asyncio.Task[None] | None = None
        self.fetcher: asyncio.Task[None] | None = None
        """Shows what another process stores."""
        self._buffer: list[Event] = []
        self._last_end = b""
        self._bytes_left = buffer_bytes
        self._floor = last_id
        self._waiting: list[asyncio.Future[None]] = []
        self._waiting_for_end: list[asyncio.Future[None]] = []
        self._abandoned = False

    @property
    def floor(self) -> int:
        """The newest id that is no longer buffered."""
        return self._floor

    @property
    def readers_return(self) -> bool:
        """Whether its readers may come back by the ids they were given, also after a restart."""
        return self.resumable or self.followed or self.on_thread

    @property
    def wanted(self) -> bool:
        """Whether anybody would ever see an event appended now."""
        return self.resumable or self.readers > 0

    def publish(self, events: list[Event]) -> None:
        """Show events to the readers; of a resumable run only once they are stored."""
        for event in events:
            self._buffer.append(event)
            self._bytes_left -= event.size
            self.last_id = event.event_id
            self.assigned = max(self.assigned, event.event_id)
            self.ended = self.ended or event.name == END
        self._drop_oldest()
        self._wake()

    def _drop_oldest(self) -> None:
        dropped = 0
        while self._bytes_left < 0 and dropped < len(self._buffer) - 1:
            self._floor = self._buffer[dropped].event_id
            self._bytes_left += self._buffer[dropped].size
            dropped += 1
        del self._buffer[:dropped]

    def after(self, event_id: int) -> list[Event]:
        """The buffered events past this id, in order; `GapError` when some of them have left the buffer."""
        if event_id < self._floor:
            raise GapError
        if event_id >= self.last_id:
            return []
        # Ids are dense, so the place of an event in the buffer follows from its id.
        return self._buffer[event_id - self._floor :]

    def buffered(self) -> list[Event]:
        return list(self._buffer)

    def encoded(self, data: object) -> tuple[bytes, bytes]:
        """The JSON of an event's data in two parts, in no more memory than they take.

        Of a token's two thirds are the metadata of its message, which come again with each: the second part, if it says
        the same as last time, is the same object.
        """
        if not isinstance(data, list) or len(data) != 2:
            return json.dumps_to_keep(data), b""
        first, second = data
        end = b"," + json.dumps(second) + b"]"
        if end != self._last_end:
            self._last_end = end
        return b"[" + json.dumps(first), self._last_end

    async def changed(self, event_id: int) -> None:
        """Return once there is something past this id, or nothing will ever be."""
        while self.last_id <= event_id and not self.ended:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)

    async def until_over(self) -> bool:
        """Return when the run has ended (true), or when it goes on elsewhere or later (false)."""
        if not self.ended:
            await self._end(asyncio.get_running_loop().create_future())
        return not self._abandoned

    async def over_within(self, seconds: float) -> bool:
        """Wait for the run's end for so long; whether it has come, here."""
        if not self.ended:
            loop = asyncio.get_running_loop()
            waiter: asyncio.Future[None] = loop.create_future()
            timer = loop.call_later(seconds, _resolve, waiter)
            try:
                await self._end(waiter)
            finally:
                timer.cancel()
        return self.ended and not self._abandoned

    async def _end(self, waiter: asyncio.Future[None]) -> None:
        self._waiting_for_end.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiting_for_end:
                self._waiting_for_end.remove(waiter)

    def abandon(self) -> None:
        """The run goes on elsewhere or later: no end will come from here. Readers are let go without one."""
        self.ended = self._abandoned = True
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        if self.ended:
            waiting += self._waiting_for_end
            self._waiting_for_end = []
        for waiter in waiting:
            _resolve(waiter)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
