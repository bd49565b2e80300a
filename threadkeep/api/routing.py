"""Routes at the cost of a route: one flat list to match against, and engine and caller given without FastAPI's solver.

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

from threadkeep.api.requests import CallerOf, EngineOf, caller_of, engine_of

_GIVEN: dict[Any, Callable[[Request], Awaitable[Any]]] = {EngineOf: engine_of, CallerOf: caller_of}
_REQUEST = "request_of_route"


class Route(APIRoute):
    """A route whose endpoint is handed what it asks for as `EngineOf` and `CallerOf`."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        # Clients send bodies with odd content types or none; the origin guard stands where this check would.
        super().__init__(path, _given(endpoint), **{**options, "strict_content_type": False})


def add_resources(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Put the routers' own routes into the application's list, in their order."""
    for router in routers:
        app.router.routes.extend(router.routes)


def _given(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    hints = get_type_hints(endpoint, include_extras=True)
    sources = {name: _GIVEN[hint] for name, hint in hints.items() if hint in _GIVEN}
    if not sources:
        return endpoint
    asked = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(endpoint).parameters.items()
        if name not in sources
    ]
    request = inspect.Parameter(_REQUEST, inspect.Parameter.KEYWORD_ONLY, annotation=Request)

    @wraps(endpoint)
    async def with_given(**values: Any) -> Any:
        request: Request = values.pop(_REQUEST)
        return await endpoint(**values, **{name: await source(request) for name, source in sources.items()})

    with_given.__signature__ = inspect.Signature([*asked, request])  # type: ignore[attr-defined]
    return with_given
