"""The short way into an endpoint that takes ids from the path and one JSON body: read, validate, call, answer.

FastAPI's own way opens exit stacks, solves dependencies and wraps each message of the answer again, at every request.
Whatever the short way cannot say yes to (a header that is asked for, a body that does not fit) takes FastAPI's after
all, and is answered in its words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from threadkeep.api.bodies import loads, once_more, reading, sent_with

Endpoint = Callable[..., Awaitable[Any]]


def direct(endpoint: Endpoint, dependant: Dependant, *, by_fastapi: ASGIApp) -> ASGIApp:
    """The route's application; `by_fastapi` itself where the endpoint asks for more."""
    model = _body_of(dependant)
    if model is None or not _is_plain(dependant):
        return by_fastapi
    body_name, request_name = dependant.body_params[0].name, str(dependant.request_param_name)
    validate = model.__pydantic_validator__.validate_python
    names = [one.name for one in dependant.path_params]
    absent = {one.name: one.field_info.default for one in dependant.header_params}
    headers = frozenset(one.alias.lower().replace("_", "-").encode() for one in dependant.header_params)

    async def answer(scope: Scope, receive: Receive, send: Send) -> ASGIApp:
        request = Request(scope, receive, send)
        sent = await sent_with(request)
        try:
            body = await reading(sent, lambda text: validate(loads(text)))
        except ValueError:
            return partial(_again, by_fastapi, sent)
        values = {**absent, body_name: body, request_name: request}
        for name in names:
            values[name] = scope["path_params"][name]
        response: ASGIApp = await endpoint(**values)
        return response

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if headers and any(name in headers for name, _ in scope["headers"]):
            await by_fastapi(scope, receive, send)
            return
        # What was read is let go before the answer begins, which may take hours.
        response = await answer(scope, receive, send)
        await response(scope, receive, send)

    return app


def _body_of(dependant: Dependant) -> type[BaseModel] | None:
    if len(dependant.body_params) != 1:
        return None
    field = dependant.body_params[0].field_info
    model = field.annotation
    required = field.is_required() and not getattr(field, "embed", None)
    return model if required and isinstance(model, type) and issubclass(model, BaseModel) else None


def _is_plain(dependant: Dependant) -> bool:
    """Texts from the path, headers that may be missing, the request; nothing else."""
    texts = all(one.field_info.annotation is str and not one.field_info.metadata for one in dependant.path_params)
    optional = not any(one.field_info.is_required() for one in dependant.header_params)
    more = (
        dependant.query_params
        or dependant.cookie_params
        or dependant.dependencies
        or dependant.response_param_name
        or dependant.background_tasks_param_name
        or dependant.security_scopes_param_name
        or dependant.http_connection_param_name
    )
    return texts and optional and not more and dependant.request_param_name is not None


async def _again(app: ASGIApp, sent: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    """The application, given the body that was read already once more."""
    await app(scope, once_more(sent, receive), send)
