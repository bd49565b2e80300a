"""Who may reach a server that runs beside a browser: the Host and Origin of every request, and CORS.

A page anywhere on the web can make its visitor's browser call localhost. So the Host must be one the server is known
by (or a foreign name could be pointed at this machine), and a request that carries an Origin must carry an allowed one,
whether or not the browser asked first. Then a body that a page can send unasked, as Studio does its `text/plain`, is
safe to read as JSON (`bodies.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message, Receive, Scope, Send

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


Refusal = tuple[Literal["host", "origin"], str]
"""What is wrong, for the metric, and in words."""


@dataclass(frozen=True, slots=True)
class OriginPolicy:
    hosts: frozenset[str] | None
    """Names a client may use for this server; None for any."""
    origins: frozenset[str]
    origin_pattern: str | None

    def refusal(self, headers: Mapping[bytes, bytes]) -> Refusal | None:
        """Why a request with these headers may not use the server; None when it may."""
        host, origin = _text(headers.get(b"host", b"")), headers.get(b"origin")
        if not self.allows_host(host):
            return "host", f"Host {host!r} is not one of this server's names (see ALLOWED_HOSTS)."
        if origin is not None and not self.allows_origin(_text(origin), host):
            return "origin", f"Origin {_text(origin)!r} may not use this server (see http.cors)."
        return None

    def allows_host(self, host: str) -> bool:
        name = _name_of(host)
        return name is not None and (self.hosts is None or name in self.hosts)

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
        Cors,
        allow_origins=sorted(policy.origins),
        allow_origin_regex=policy.origin_pattern,
        allow_methods=cors.get("allow_methods") or ["*"],
        allow_headers=cors.get("allow_headers") or ["*"],
        allow_credentials=bool(cors.get("allow_credentials", False)),
        expose_headers=sorted({*EXPOSED_HEADERS, *(cors.get("expose_headers") or ())}),
        max_age=cors.get("max_age", 600),
        allow_private_network=True,
    )


class Cors(CORSMiddleware):
    """Starlette's, which would wrap every answer; one to nobody's page only says that it depends on who asks."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or any(name == b"origin" for name, _ in scope["headers"]):
            await super().__call__(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"vary", b"Origin")]
            await send(message)

        await self.app(scope, receive, told)


async def refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    reason, words = refusal
    note_refusal(scope, reason, words)
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4403, "reason": words})
        return
    await Json({"detail": words}, 403)(scope, receive, send)


def _text(header: bytes) -> str:
    return header.decode("latin-1")


@lru_cache(maxsize=64)
def _name_of(host: str) -> str | None:
    """Without the port; IPv6 addresses without their brackets. None for what is no address."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:  # half a pair of brackets, say
        return None


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None
