"""How one long answer is sent: a sign of life after every silence, and an end to it when the client takes nothing.

One timer an answer watches both, and a task exists only while a heartbeat is on its way: a thousand silent streams
cost a thousand timers. What is long leaves in pieces, so that a client who takes it slowly is told from one who takes
nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Send

_PIECE = 65_536


class Pace:
    def __init__(self, send: Send, pump: asyncio.Task[Any], heartbeat: bytes, *, every: float, patience: float) -> None:
        """`pump`, the task that sends, is cancelled when one piece takes longer than `patience`; `ran_out` says so."""
        self._send = send
        self._pump = pump
        self._heartbeat = heartbeat
        self._every = every
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._last_sent = self._loop.time()
        """When the last piece began to be sent."""
        self._sending = False
        self._beating: asyncio.Task[None] | None = None
        self.ran_out = False
        self._timer = self._loop.call_later(every, self._look)

    async def send(self, chunk: bytes, *, last: bool = False) -> None:
        """Nothing else is sent between its pieces."""
        if self._beating is not None:
            await self._beating
        for start in range(0, len(chunk) or 1, _PIECE):
            await self._put(chunk[start : start + _PIECE], last=last and start + _PIECE >= len(chunk))

    async def _put(self, piece: bytes, *, last: bool = False) -> None:
        self._last_sent = self._loop.time()
        self._sending = True
        try:
            await self._send({"type": "http.response.body", "body": piece, "more_body": not last})
        finally:
            self._sending = False

    async def _beat(self) -> None:
        try:
            await self._put(self._heartbeat)
        finally:
            self._beating = None

    def stop(self) -> None:
        self._timer.cancel()
        if self._beating is not None:
            self._beating.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        if self._sending:
            due = self._last_sent + self._patience
            if now >= due:
                self.ran_out = True
                self._pump.cancel()
                return
        else:
            if now >= self._last_sent + self._every:
                self._last_sent = now
                self._beating = self._loop.create_task(self._beat())
            due = self._last_sent + min(self._every, self._patience)
        self._timer = self._loop.call_at(due, self._look)
