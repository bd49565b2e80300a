"""A body is JSON, whatever the client calls it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send


class JsonBodies:
    """ASGI middleware for our own routes alone: those of a custom application may well take forms.

    Studio says `text/plain` to spare itself a preflight (the origin guard has looked before); curl's `-d` says form.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and any(
            name == b"content-type" and b"json" not in kind for name, kind in scope["headers"]
        ):
            MutableHeaders(scope=scope)["content-type"] = "application/json"
        await self._app(scope, receive, send)
