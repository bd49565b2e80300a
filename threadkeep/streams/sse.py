"""The wire form of a run's stream: Server-Sent Events over HTTP, with signs of life and an honest end.

A stream that ends was ended by its run; one that the server has to give up is cut, so that clients reconnect instead of
taking silence for an answer. A reader that takes nothing for `send_timeout` is cut as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from threadkeep.metrics import Metrics
from threadkeep.streams.live import Event
from threadkeep.streams.pace import Pace

HEARTBEAT = b": heartbeat\r\n\r\n"
UNBUFFERED = {"cache-control": "no-store", "x-accel-buffering": "no"}
EVENT_STREAM = "text/event-stream; charset=utf-8"


CutReason = Literal["stopping", "behind", "slow"]
"""The server stops or gives the run up; what the reader needs next is kept nowhere; he takes nothing any more."""


class StreamCutError(Exception):
    """The connection is dropped on purpose, in the middle, so that the client notices."""

    def __init__(self, reason: CutReason = "stopping") -> None:
        super().__init__(reason)
        self.reason: CutReason = reason


def encode(event: Event, *, with_id: bool) -> bytes:
    """`event`, `data`, then `id` for streams that can be resumed; lines end in CRLF."""
    frame = b"event: " + event.name.encode() + b"\r\ndata: " + event.data + b"\r\n"
    if with_id:
        frame += b"id: %d\r\n" % event.event_id
    return frame + b"\r\n"


class LongResponse(Response):
    """An ASGI response whose head goes out at once and whose body comes when it comes.

    `body` yields chunks; while it is silent, `heartbeat` is sent every `heartbeat_seconds`. When the client goes away,
    `body` is closed, which runs its `finally` blocks. `StreamCutError` from `body` cuts the connection.
    """

    def __init__(
        self,
        body: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        heartbeat: bytes,
        heartbeat_seconds: float,
        send_timeout_seconds: float,
        metrics: Metrics,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._body = body
        self._heartbeat = heartbeat
        self._heartbeat_seconds = heartbeat_seconds
        self._send_timeout = send_timeout_seconds
        self._metrics = metrics
        self._kind = "stream" if media_type == EVENT_STREAM else "wait"
        head = {"content-type": media_type, **UNBUFFERED, **(headers or {})}
        super().__init__(headers=head)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._metrics.reader(self._kind):
            try:
                await self._answer(receive, send)
            except StreamCutError as cut:
                self._metrics.reader_dropped(cut.reason)
                raise

    async def _answer(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        pump = asyncio.current_task()
        assert pump is not None
        gone = asyncio.create_task(_disconnected(receive))
        pace = Pace(send, pump, self._heartbeat, every=self._heartbeat_seconds, patience=self._send_timeout)
        # Both end the pump, wherever it waits; which one it was tells whether the client left or was cut off.
        gone.add_done_callback(lambda task: None if task.cancelled() else pump.cancel())
        try:
            async for chunk in self._body:
                await pace.send(chunk)
                del chunk  # or each silent stream would hold the last thing it said
            await pace.send(b"", last=True)
        except asyncio.CancelledError:
            if not gone.done() and not pace.ran_out:
                raise
            pump.uncancel()
            if pace.ran_out:
                raise StreamCutError("slow") from None
        finally:
            gone.cancel()
            pace.stop()
            await self._body.aclose()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
