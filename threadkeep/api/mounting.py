"""Where the routes are found: below `http.mount_prefix`, and without those that `http.disable_*` takes away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from threadkeep.api.responses import Json
from threadkeep.http_config import Group
from threadkeep.web import DOCS_FILES

# Whoever looks after the process asks these, wherever the API is mounted.
_EVERYWHERE = frozenset({"/ok", "/health", "/ready", "/metrics"})
_META = frozenset({"/info", "/metrics", "/openapi.json", *DOCS_FILES})
_TAGS: dict[Group, frozenset[str]] = {
    "assistants": frozenset({"Assistants"}),
    "threads": frozenset({"Threads", "Thread protocol"}),
    "runs": frozenset({"Runs", "Crons"}),
    "store": frozenset({"Store"}),
    "mcp": frozenset({"MCP"}),
    "ui": frozenset({"Inspector"}),
}


def drop_disabled(app: FastAPI, disabled: frozenset[Group]) -> None:
    """Take the disabled groups' routes out of the application; what is left is also what its document shows."""
    gone: list[Callable[[Any], bool]] = [_with_tag(_TAGS[group]) for group in disabled if group in _TAGS]
    if "meta" in disabled:
        gone.append(lambda route: route.path in _META)
    if disabled & {"event_streaming", "threads"}:
        gone.append(lambda route: route.path.endswith(("/commands", "/stream/events")))
    app.router.routes[:] = [route for route in app.router.routes if not any(is_gone(route) for is_gone in gone)]


def _with_tag(tags: frozenset[str]) -> Callable[[Any], bool]:
    return lambda route: isinstance(route, APIRoute) and bool(tags & {str(tag) for tag in route.tags})


class MountPrefix:
    """ASGI middleware: takes what begins with the prefix, and says it in the addresses that answers name.

    Clients put their base URL, with the prefix, before the path of a `Location`, which has it already: of the routes
    that are named there, the prefix may come twice.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in _EVERYWHERE:
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if path.startswith((f"{self._prefix * 2}/threads/", f"{self._prefix * 2}/runs/")):
            path = scope["path"] = path.removeprefix(self._prefix)
            scope["raw_path"] = scope.get("raw_path", b"").removeprefix(self._prefix.encode())
        if path != self._prefix and not path.startswith(f"{self._prefix}/"):
            await self._refuse(scope, receive, send)
            return
        if path == self._prefix:
            scope["path"] = f"{path}/"
        scope["root_path"] = self._prefix

        async def prefixed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in ("location", "content-location"):
                    place = headers.get(name, "")
                    if place.startswith("/") and not place.startswith(("//", f"{self._prefix}/")):
                        headers[name] = self._prefix + place
            await send(message)

        await self._app(scope, receive, prefixed)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4404, "reason": "Not found"})
            return
        detail = f"Not found: everything here is below {self._prefix} (http.mount_prefix)."
        await Json({"detail": detail}, 404)(scope, receive, send)
