"""One log line and one measurement a request, and an id that ties both to the client's own records."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from uuid import uuid4

import structlog
from starlette.datastructures import Headers
from starlette.types import Message, Scope

from threadkeep.engine import Engine
from threadkeep.http_config import HeaderRules

log = structlog.get_logger("threadkeep.http")

_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._:-]{1,128}$")
_QUIET = frozenset({"/ok", "/health", "/ready", "/metrics"})


class RequestLog:
    """What the lines tell; durations end with the head of the answer, since a stream may stay open for hours."""

    def __init__(self, logged_headers: HeaderRules) -> None:
        self._logged_headers = logged_headers

    def begin(self, scope: Scope, headers: Mapping[bytes, bytes]) -> RequestNote:
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _REQUEST_ID.match(given) else uuid4().hex
        return RequestNote(scope, request_id, self._logged_headers if self._logged_headers.includes else None)


class RequestNote:
    __slots__ = ("_engine", "_logged_headers", "_scope", "_started", "request_id")

    def __init__(self, scope: Scope, request_id: str, logged_headers: HeaderRules | None) -> None:
        self._scope = scope
        # Taken now: a custom application puts itself into the scope.
        self._engine: Engine | None = getattr(scope["app"].state, "engine", None)
        self._started = time.monotonic()
        self._logged_headers = logged_headers
        self.request_id = request_id

    def answered(self, head: Message) -> None:
        """Give the answer the request's id, and see to it that it is written down, once the answer is on its way."""
        ours = (b"x-request-id", self.request_id.encode())
        head["headers"] = [*(pair for pair in head.get("headers", ()) if pair[0] != b"x-request-id"), ours]
        seconds = time.monotonic() - self._started
        # A short answer is out before the loop comes to this.
        asyncio.get_running_loop().call_soon(self._write_down, int(head["status"]), seconds)

    def _write_down(self, status: int, seconds: float) -> None:
        scope = self._scope
        # The route's template, never the path: a metric with ids as labels grows without end.
        route = getattr(scope.get("route"), "path", "unknown")
        if self._engine is not None:
            self._engine.metrics.request_answered(scope["method"], route, status, seconds)
        write = log.debug if scope["path"].removeprefix(scope.get("root_path", "")) in _QUIET else log.info
        more = {}
        if self._logged_headers is not None:
            more["headers"] = self._logged_headers.of(Headers(scope=scope).items())
        write("request", method=scope["method"], path=scope["path"], status=status, duration=round(seconds, 6), **more)
