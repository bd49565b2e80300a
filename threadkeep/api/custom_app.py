"""`http.app`: somebody's own application beside ours, as the official server has it.

Its routes come before the built-in ones (but for those that say whether the server lives and what it serves), its
middleware goes around all of them, and its lifespan lies within the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from threadkeep.api.errors import LastResort
from threadkeep.config import Config
from threadkeep.errors import StartupError
from threadkeep.graphs import load_target
from threadkeep.streams.sse import StreamCutError
from threadkeep.web import DOCS_FILES

_KEPT = frozenset({"/ok", "/metrics", "/openapi.json", "/health", "/ready", *DOCS_FILES})

_CUT = "threadkeep.stream_cut"


def load_custom_app(config: Config) -> Starlette | None:
    if config.http.app is None:
        return None
    app = load_target(config.http.app, config.folder, "http.app")
    if not isinstance(app, Starlette):
        raise StartupError(
            f"`http.app` in langgraph.json: {config.http.app} is a {type(app).__name__}, but must be a Starlette or "
            "FastAPI application."
        )
    return app


class CustomApp:
    """ASGI middleware: `custom` as a whole, with the built-in application where none of its routes matches."""

    def __init__(
        self, app: ASGIApp, custom: Starlette, state: Mapping[str, Any], *, guard: Callable[[ASGIApp], ASGIApp] | None
    ) -> None:
        """`guard` is what stands before the custom routes, inside the custom middleware."""
        # Inside the custom application's own error handling, which would answer with something else than JSON.
        self._built_in = LastResort(app)
        self._custom = custom
        self._state = state
        """What the custom lifespan yielded; filled when the server starts."""
        self._custom_routes = custom.router.middleware_stack
        self._guarded_routes = self._as_custom if guard is None else guard(self._as_custom)
        custom.router.middleware_stack = self._route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._built_in(scope, receive, send)
            return
        scope["state"] = {**scope.get("state", {}), **self._state}
        scope["built_in_app"] = scope["app"]

        async def unless_cut(message: Message) -> None:
            if scope.get(_CUT) and not message.get("more_body", False):
                raise StreamCutError
            await send(message)

        await self._custom(scope, receive, unless_cut)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = scope.pop("built_in_app")
        if is_custom(self._custom, scope):
            await self._guarded_routes(scope, receive, send)
            return
        scope.pop("router", None)
        try:
            await self._built_in(scope, receive, send)
        except StreamCutError:
            # Starlette's BaseHTTPMiddleware ends an answer whose making failed as if it were whole.
            scope[_CUT] = True
            raise

    async def _as_custom(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self._custom
        await self._custom_routes(scope, receive, send)


def is_custom(custom: Starlette, scope: Scope) -> bool:
    """Whether a request goes to one of the custom application's own routes."""
    if scope["path"].removeprefix(scope.get("root_path", "")) in _KEPT:
        return False
    return any(route.matches(scope)[0] is Match.FULL for route in custom.router.routes)
