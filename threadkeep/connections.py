"""The connections of this server's clients: none is kept for whoever sends nothing, and files always have room.

uvicorn waits for ever for a request that has begun, or never begins. Here a whole head has to come within a time, and
more of a body in as much again. Whoever waits for us (a run, a stream, a WebSocket) or rests after an answer, which has
a time of its own, is left alone.
"""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

log = structlog.get_logger("threadkeep.connections")

_FILES = resource.RLIMIT_NOFILE
_ENOUGH_FILES = 65_536
_FOR_FILES = 200  # databases, models and webhooks: what a server opens besides its clients' connections
_SAY_EVERY_SECONDS = 60.0
_MEANWHILE_SECONDS = 0.1
_TOO_LATE = b"The request did not arrive in time."


@dataclass(slots=True)
class Door:
    """Who may come in, of all connections of one process."""

    seconds: float
    """How long a head may take, and each next part of a body."""
    most: int
    """Connections that are open at once."""
    silent: dict[PatientProtocol, None] = field(default_factory=dict)
    """Those that have never sent a whole head, the oldest first."""
    said_at: float = -_SAY_EVERY_SECONDS

    def make_room(self, newest: PatientProtocol) -> None:
        """One connection is too many: close the one that has been silent longest, else the newest."""
        leaving = next(iter(self.silent), newest)
        self.silent.pop(leaving, None)
        leaving.transport.abort()
        if newest.loop.time() - self.said_at >= _SAY_EVERY_SECONDS:
            self.said_at = newest.loop.time()
            log.warning("connections_full", most=self.most)


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, and a look at the clock for as long as its client owes it a part of a request.

    One timer a connection at most, which is not set anew with each part but looks itself at how late it is; requests
    that come whole set none.
    """

    def __init__(self, door: Door, **given: Any) -> None:
        super().__init__(**given)
        self._door = door
        self._timer: asyncio.TimerHandle | None = None
        self._owed_since: float | None = None
        """When the head that is not whole yet began, or the last part of a body came; None when nothing is missing."""
        self._in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._door.silent[self] = None
        self._owed_since = self.loop.time()
        self._timer = self.loop.call_later(self._door.seconds, self._look)
        if len(self.connections) > self._door.most:
            self._door.make_room(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.silent.pop(self, None)
        self._owed_since = None
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._owed_since is not None:
            if self._in_body:
                self._owed_since = self.loop.time()
            if self._timer is None:
                self._timer = self.loop.call_later(self._door.seconds, self._look)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._owed_since is None:
            self._owed_since = self.loop.time()

    def on_headers_complete(self) -> None:
        self._door.silent.pop(self, None)
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._owed_since = None
        super().on_message_complete()

    def _look(self, *, once_more: bool = False) -> None:
        self._timer = None
        if self._owed_since is None or self.transport.is_closing():
            return  # the next part that is not the last sets a timer again
        now = self.loop.time()
        if self._is_our_turn():
            self._owed_since = now
        left = self._owed_since + self._door.seconds - now
        if left > 0:
            self._timer = self.loop.call_later(left, self._look)
        elif not once_more:
            # Where the process stood still, what came meanwhile has not been read yet.
            self._timer = self.loop.call_later(_MEANWHILE_SECONDS, partial(self._look, once_more=True))
        else:
            self._turn_away()

    def _is_our_turn(self) -> bool:
        """Whether the client has reason to wait: for an answer, or for us to take what it sends."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        asked_before = not self._in_body or bool(self.pipeline)
        return asked_before or cycle.response_started or cycle.waiting_for_100_continue or self.flow.read_paused

    def _turn_away(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # a close would wait for it to take its last answer
            return
        if self.headers is not None:  # a browser would take the answer to nothing for that to its next request
            self.transport.write(
                STATUS_LINE[408] + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n%b" % (len(_TOO_LATE), _TOO_LATE)
            )
        self.transport.close()


def open_door(seconds: float) -> Door:
    """As wide as the files that this process may have, which are made as many as the system lets it, less some."""
    files = _allowed_files()
    return Door(seconds, most=files - min(_FOR_FILES, files // 2))


def _allowed_files() -> int:
    soft, hard = (_ENOUGH_FILES if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(_FILES))
    wanted = min(hard, _ENOUGH_FILES)
    if soft >= wanted:
        return soft
    try:
        resource.setrlimit(_FILES, (wanted, resource.getrlimit(_FILES)[1]))
    except (ValueError, OSError):
        return soft  # macOS has a limit of its own
    return wanted
