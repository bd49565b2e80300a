"""How one long answer is sent: a sign of life after every silence, and an end to it when the client takes nothing.

One timer an answer watches both, and a task exists only while a heartbeat is on its way: a thousand silent streams
cost a thousand timers.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Send


class Pace:
    def __init__(self, send: Send, pump: asyncio.Task[Any], heartbeat: bytes, *, every: float, patience: float) -> None:
        """`pump`, the task that sends, is cancelled when one send takes longer than `patience`; `ran_out` says so."""
        self._send = send
        self._pump = pump
        self._heartbeat = heartbeat
        self._every = every
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._last_sent = self._loop.time()
        self._under_way = 0
        self._since = 0.0
        """When the first of the sends under way began."""
        self._beating: asyncio.Task[None] | None = None
        self.ran_out = False
        self._timer = self._loop.call_later(every, self._look)

    async def send(self, chunk: bytes, *, last: bool = False) -> None:
        self._last_sent = self._loop.time()
        if self._under_way == 0:
            self._since = self._last_sent
        self._under_way += 1
        try:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": not last})
        finally:
            self._under_way -= 1

    def stop(self) -> None:
        self._timer.cancel()
        if self._beating is not None:
            self._beating.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        if self._under_way:
            if now >= self._since + self._patience:
                self.ran_out = True
                self._pump.cancel()
                return
            due = self._since + self._patience
        else:
            if now >= self._last_sent + self._every:
                self._last_sent = now
                self._beating = self._loop.create_task(self.send(self._heartbeat))
            due = self._last_sent + min(self._every, self._patience)
        self._timer = self._loop.call_at(due, self._look)
