"""The outermost layer of every request: its id and log line, who may reach this server, how much it may send.

One layer and one wrapper around each message, where each of these things would otherwise be a layer of its own: they
concern every request, and cost as much as the request itself when they are stacked.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from threadkeep.api.errors import LastResort, last_resort
from threadkeep.api.limits import body_too_large, declared_bytes
from threadkeep.api.origin import OriginPolicy, refuse
from threadkeep.api.request_log import RequestLog, RequestNote


class Door:
    """ASGI middleware. Only CORS comes before it: a preflight changes nothing."""

    def __init__(self, app: ASGIApp, *, policy: OriginPolicy, log: RequestLog, max_bytes: int) -> None:
        self._app = app
        self._sockets = LastResort(app)
        self._policy = policy
        self._log = log
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given: Mapping[bytes, bytes] = dict(reversed(scope["headers"]))  # of a header sent twice, the first counts
        refusal = self._policy.refusal(given)
        if scope["type"] == "websocket":
            await (self._sockets(scope, receive, send) if refusal is None else refuse(refusal, scope, receive, send))
            return
        note = self._log.begin(scope, given)
        passage = _Passage(note, receive, send, self._max_bytes)
        bound = structlog.contextvars.bind_contextvars(request_id=note.request_id)
        try:
            if refusal is not None:
                await refuse(refusal, scope, passage.receive, passage.send)
            elif declared_bytes(given) > self._max_bytes:
                await body_too_large(self._max_bytes)(scope, receive, passage.send)
            else:
                await self._pass(scope, passage)
        finally:
            structlog.contextvars.reset_contextvars(**bound)

    async def _pass(self, scope: Scope, passage: _Passage) -> None:
        await last_resort(self._app, scope, passage.receive, passage.send, passage.has_begun)
        if passage.received > self._max_bytes:
            passage.received = 0
            await body_too_large(self._max_bytes)(scope, passage.receive, passage.send)


class _Passage:
    """The messages of one request and of its answer."""

    __slots__ = ("_headed", "_max_bytes", "_note", "_receive", "_send", "received")

    def __init__(self, note: RequestNote, receive: Receive, send: Send, max_bytes: int) -> None:
        self._note = note
        self._receive = receive
        self._send = send
        self._max_bytes = max_bytes
        self.received = 0
        self._headed = False

    def has_begun(self) -> bool:
        """Whether the head of the answer is out."""
        return self._headed

    async def receive(self) -> Message:
        message = await self._receive()
        self.received += len(message.get("body", b""))
        # To the application, a client that sends too much has gone away; what it answers to that is dropped.
        return message if self.received <= self._max_bytes else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.received > self._max_bytes:
            return
        if message["type"] == "http.response.start":
            self._headed = True
            self._note.answered(message)
        await self._send(message)
