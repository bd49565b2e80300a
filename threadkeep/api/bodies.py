"""A body is JSON, whatever the client calls it."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send


class JsonBodies:
    """ASGI middleware for our own routes alone: those of a custom application may well take forms.

    Studio says `text/plain` to spare itself a preflight (the origin guard has looked before); curl's `-d` says form.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "json" not in Headers(scope=scope).get("content-type", "json"):
            MutableHeaders(scope=scope)["content-type"] = "application/json"
        await self._app(scope, receive, send)
