"""The gate on the wire: every request is somebody's before a route sees it, and each action is allowed first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from threadkeep.api.actions import Access, Action, Rule, is_open
from threadkeep.api.admission import Admission
from threadkeep.api.errors import answer_to, status_of
from threadkeep.api.refusals import note_refusal
from threadkeep.auth.gate import Gate
from threadkeep.callers import ADMIN, EVERYONE, Caller
from threadkeep.engine import Engine
from threadkeep.errors import ForbiddenError, ThreadkeepError, UnauthorizedError

CALLER = "threadkeep.caller"
COUNTED = "threadkeep.counted"
"""Counts one more request of this connection's caller: for what comes in over a WebSocket."""
_NAMESPACES = ("namespace", "namespace_prefix", "prefix")


class AuthGate:
    """ASGI middleware: finds out who asks. Who is nobody gets no further than the routes that are open to all."""

    def __init__(self, app: ASGIApp, admission: Admission, unasked: Callable[[Scope], bool] = is_open) -> None:
        self._app = app
        self._unasked = unasked
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self._unasked(scope):
            await self._app(scope, receive, send)
            return
        address = (scope.get("client") or ("?",))[0]
        try:
            caller = await self._identified(scope, address)
            who = caller.identity or address
            scope[COUNTED] = partial(self._admission.count, who)
            await scope[COUNTED]()
            self._admission.enter(who)
        except ThreadkeepError as error:
            await _refuse(error, scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._admission.leave(who)

    async def _identified(self, scope: Scope, address: str) -> Caller:
        gate = gate_of(scope)
        if not gate.on:
            return EVERYONE
        try:
            scope[CALLER] = await gate.identify(HTTPConnection(scope))
        except UnauthorizedError:
            await self._admission.count(f"wrong credentials from {address}")
            raise
        caller: Caller = scope[CALLER]
        return caller


async def _refuse(error: ThreadkeepError, scope: Scope, receive: Receive, send: Send) -> None:
    note_refusal(scope, str(status_of(error)), str(error))
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4401, "reason": str(error)[:120]})
        return
    await answer_to(error, scope)(scope, receive, send)


def gate_of(scope: Scope) -> Gate:
    engine: Engine = scope["app"].state.engine
    return engine.gate


def caller_of(connection: HTTPConnection) -> Caller:
    """Who asks, as the gate found out."""
    caller: Caller = connection.scope.get(CALLER, EVERYONE)
    if gate_of(connection.scope).on and not caller.known:  # it would have gone round the gate
        raise UnauthorizedError
    engine: Engine = connection.app.state.engine
    rules = engine.config.http.configurable_headers
    return replace(caller, configurable=rules.of(connection.headers.items())) if rules.includes else caller


async def watcher_of(connection: HTTPConnection) -> Caller:
    """The caller of a WebSocket, who may read the thread it is about; what else it asks for is allowed one by one."""
    gate = gate_of(connection.scope)
    return await gate.allow(caller_of(connection), "threads", "read", {**connection.path_params, "metadata": {}})


async def allowed(request: Request, rule: Rule, values: dict[str, Any]) -> Caller:
    """The caller as the route may know it. `values` are the endpoint's arguments, which a handler may change."""
    if rule is Access.OPEN:
        return EVERYONE
    caller = caller_of(request)
    if rule is Access.KNOWN or not caller.known:
        return caller
    if rule is Access.OPERATOR:
        if ADMIN not in caller.scopes:
            raise ForbiddenError(f"This needs a key with the scope {ADMIN}.")
        return caller
    assert isinstance(rule, Action)
    return await permitted(gate_of(request.scope), caller, rule.resource, rule.name, values, request.path_params)


async def permitted(
    gate: Gate, caller: Caller, resource: str, action: str, values: dict[str, Any], path_params: Mapping[str, str]
) -> Caller:
    """What the gate allows for each body of the request; a handler's changes reach the body."""
    body = values.get("body")
    bodies = body if isinstance(body, list) else [body]
    for one in bodies or [None]:
        asked = {**path_params, **_asked(one, values)}
        caller_for_it = await gate.allow(caller, resource, action, asked)
        _take_back(one, values, asked)
    return caller_for_it


def _asked(body: Any, values: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(body, BaseModel):
        asked: dict[str, Any] = {name: one for name, one in values.items() if isinstance(one, str | list | dict)}
        if isinstance(asked.get("namespace"), list):
            asked["namespace"] = tuple(label for part in asked["namespace"] for label in part.split(".") if label)
        return asked
    if "metadata" in type(body).model_fields and getattr(body, "metadata", None) is None:
        body.metadata = {}  # type: ignore[attr-defined]
    asked = {name: getattr(body, name) for name in type(body).model_fields}
    for name in _NAMESPACES:
        if name in asked:
            asked["namespace"] = tuple(asked[name] or ())
    return asked


def _take_back(body: Any, values: dict[str, Any], asked: dict[str, Any]) -> None:
    """What a handler may have replaced and not just changed in place."""
    if "namespace" in asked:
        namespace = list(asked["namespace"] or ())
        if not isinstance(body, BaseModel):
            values["namespace"] = namespace
        for name in _NAMESPACES:
            if isinstance(body, BaseModel) and name in type(body).model_fields:
                setattr(body, name, namespace)
    if isinstance(body, BaseModel) and "metadata" in type(body).model_fields:
        body.metadata = asked.get("metadata")  # type: ignore[attr-defined]
