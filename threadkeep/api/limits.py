"""The largest request body that is read at all."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from threadkeep.api.responses import Json


class BodyLimit:
    """ASGI middleware: answers 413 before, or as soon as, a body grows past the limit. (FastAPI's own is not JSON.)"""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            await self._too_large(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            # To the application, a client that sends too much has gone away; what it answers to that is dropped.
            return message if received <= self._max_bytes else {"type": "http.disconnect"}

        async def unless_too_large(message: Message) -> None:
            if received <= self._max_bytes:
                await send(message)

        await self._app(scope, counted, unless_too_large)
        if received > self._max_bytes:
            await self._too_large(scope, receive, send)

    async def _too_large(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"The body is larger than {self._max_bytes} bytes (MAX_BODY_BYTES)."
        await Json({"detail": detail}, 413, headers={"connection": "close"})(scope, receive, send)
