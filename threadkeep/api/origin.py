"""Who may reach a server that runs beside a browser: the Host and Origin of every request, and CORS.

A page anywhere on the web can make its visitor's browser call localhost. So the Host must be one the server is known
by (or a foreign name could be pointed at this machine), and a request that carries an Origin must carry an allowed one,
whether or not the browser asked first. Then a body that a page can send unasked, as Studio does its `text/plain`, is
safe to read as JSON (`bodies.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from threadkeep.api.refusals import note_refusal
from threadkeep.api.responses import Json
from threadkeep.settings import LOOPBACK_HOSTS, Settings

STUDIO_ORIGIN = "https://smith.langchain.com"
_LOOPBACK_ORIGIN = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
EXPOSED_HEADERS = (
    "location",
    "content-location",
    "x-pagination-total",
    "x-pagination-next",
    "x-request-id",
    "x-thread-id",
    "retry-after",
)


@dataclass(frozen=True, slots=True)
class OriginPolicy:
    hosts: frozenset[str] | None
    """Names a client may use for this server; None for any."""
    origins: frozenset[str]
    origin_pattern: str | None

    def allows_host(self, host: str) -> bool:
        return self.hosts is None or _name_of(host) in self.hosts

    def allows_origin(self, origin: str, host: str) -> bool:
        if "*" in self.origins or origin in self.origins or _netloc(origin) == host.lower():
            return True
        return self.origin_pattern is not None and re.fullmatch(self.origin_pattern, origin) is not None


def origin_policy(settings: Settings, cors: dict[str, Any] | None) -> OriginPolicy:
    """On a loopback bind: loopback names and origins, and Studio's. Elsewhere only what was configured."""
    hosts: frozenset[str] | None = None
    if settings.allowed_hosts or settings.on_loopback:
        # The loopback names stay: no foreign page can carry one, and health checks on this machine do.
        hosts = LOOPBACK_HOSTS | {settings.host} | {name.lower() for name in settings.allowed_hosts}
    if cors is not None:
        return OriginPolicy(hosts, frozenset(cors.get("allow_origins") or ()), cors.get("allow_origin_regex"))
    if not settings.on_loopback:
        return OriginPolicy(hosts, frozenset(), None)
    return OriginPolicy(hosts, frozenset({STUDIO_ORIGIN} if settings.studio else ()), _LOOPBACK_ORIGIN)


def add_cors(app: FastAPI, policy: OriginPolicy, cors: dict[str, Any] | None) -> None:
    cors = cors or {}
    app.add_middleware(
        CORSMiddleware,
        allow_origins=sorted(policy.origins),
        allow_origin_regex=policy.origin_pattern,
        allow_methods=cors.get("allow_methods") or ["*"],
        allow_headers=cors.get("allow_headers") or ["*"],
        allow_credentials=bool(cors.get("allow_credentials", False)),
        expose_headers=sorted({*EXPOSED_HEADERS, *(cors.get("expose_headers") or ())}),
        max_age=cors.get("max_age", 600),
        allow_private_network=True,
    )


class OriginGuard:
    """ASGI middleware that keeps the policy; before it come CORS preflights, which change nothing, and the log."""

    def __init__(self, app: ASGIApp, policy: OriginPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._policy.allows_host(host):
            words = f"Host {host!r} is not one of this server's names (see ALLOWED_HOSTS)."
            await self._refuse("host", words, scope, receive, send)
            return
        if origin is not None and not self._policy.allows_origin(origin, host):
            words = f"Origin {origin!r} may not use this server (see http.cors)."
            await self._refuse("origin", words, scope, receive, send)
            return
        await self._app(scope, receive, send)

    @staticmethod
    async def _refuse(reason: str, words: str, scope: Scope, receive: Receive, send: Send) -> None:
        note_refusal(scope, reason, words)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4403, "reason": words})
            return
        await Json({"detail": words}, 403)(scope, receive, send)


def _name_of(host: str) -> str:
    """Without the port; IPv6 addresses without their brackets."""
    return (urlsplit(f"//{host}").hostname or "").lower()


def _netloc(origin: str) -> str:
    return urlsplit(origin).netloc.lower()
