"""One log line and one measurement a request, and an id that ties both to the client's own records."""

from __future__ import annotations

import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from threadkeep.engine import Engine
from threadkeep.http_config import HeaderRules

log = structlog.get_logger("threadkeep.http")

_REQUEST_ID = re.compile(r"^[A-Za-z0-9._:-]{1,128}$")
_QUIET = frozenset({"/ok", "/health", "/ready", "/metrics"})


class RequestLog:
    """ASGI middleware; durations end with the head of the answer, since a stream may stay open for hours."""

    def __init__(self, app: ASGIApp, logged_headers: HeaderRules) -> None:
        self._app = app
        self._logged_headers = logged_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.match(given) else uuid4().hex
        started = time.monotonic()
        # Taken now: a custom application puts itself into the scope.
        engine: Engine | None = getattr(scope["app"].state, "engine", None)

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
                self._note(scope, engine, int(message["status"]), time.monotonic() - started)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, headed)

    def _note(self, scope: Scope, engine: Engine | None, status: int, seconds: float) -> None:
        # The route's template, never the path: a metric with ids as labels grows without end.
        route = getattr(scope.get("route"), "path", "unknown")
        if engine is not None:
            engine.metrics.request_answered(scope["method"], route, status, seconds)
        level = "debug" if scope["path"].removeprefix(scope.get("root_path", "")) in _QUIET else "info"
        more = {}
        if self._logged_headers.includes:
            more["headers"] = self._logged_headers.of(Headers(scope=scope).items())
        getattr(log, level)(
            "request", method=scope["method"], path=scope["path"], status=status, duration=round(seconds, 6), **more
        )
