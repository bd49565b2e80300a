"""Routes: one flat list to match against, each asked for who may use it, with engine and caller handed to its endpoint.

A nested router is matched candidate by candidate with a new context for each, and a dependency costs a call of the
solver: too much for what every request needs.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import Any, get_type_hints

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from threadkeep.api.actions import Rule, rule_of
from threadkeep.api.auth import allowed
from threadkeep.api.bodies import reading_json
from threadkeep.api.direct import direct
from threadkeep.api.requests import CallerOf, EngineOf

_REQUEST = "request_of_route"


class Route(APIRoute):
    """A route whose endpoint is called for those who may, with what it asks for as `EngineOf` and `CallerOf`."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        [rule] = {rule_of(method, path) for method in options.get("methods") or ["GET"]}
        # Clients send bodies with odd content types or none; the origin guard stands where this check would.
        super().__init__(path, _guarded(endpoint, rule), **{**options, "strict_content_type": False})
        self.app = direct(self.endpoint, self.dependant, by_fastapi=self.app)
        self._front, self._end = self.path_format.partition("{")[0], self.path_format.rpartition("}")[2]
        self._slashes = self.path_format.count("/")

    def get_route_handler(self) -> Callable[[Request], Any]:
        handler = super().get_route_handler()
        return handler if self.body_field is None else reading_json(handler)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path: str = scope["path"]
        # Most routes are not asked for, and none has a parameter with a slash in it.
        if not scope.get("root_path") and not (
            path.startswith(self._front) and path.endswith(self._end) and path.count("/") == self._slashes
        ):
            return Match.NONE, {}
        return super().matches(scope)


def add_resources(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Put the routers' own routes into the application's list, in their order."""
    for router in routers:
        app.router.routes.extend(router.routes)


def _guarded(endpoint: Callable[..., Any], rule: Rule) -> Callable[..., Any]:
    hints = get_type_hints(endpoint, include_extras=True)
    engine = next((name for name, hint in hints.items() if hint == EngineOf), None)
    caller = next((name for name, hint in hints.items() if hint == CallerOf), None)
    asked = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(endpoint).parameters.items()
        if name not in (engine, caller)
    ]
    request = inspect.Parameter(_REQUEST, inspect.Parameter.KEYWORD_ONLY, annotation=Request)

    @wraps(endpoint)
    async def guarded(**values: Any) -> Any:
        request: Request = values.pop(_REQUEST)
        allowed_caller = await allowed(request, rule, values)
        if caller is not None:
            values[caller] = allowed_caller
        if engine is not None:
            values[engine] = request.app.state.engine
        answer: Awaitable[Any] = endpoint(**values)
        return await answer

    guarded.__signature__ = inspect.Signature([*asked, request])  # type: ignore[attr-defined]
    return guarded
