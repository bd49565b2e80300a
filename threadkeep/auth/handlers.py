"""The project's own rules: an object of `langgraph_sdk.Auth`, as `auth.path` in `langgraph.json` names it.

Its `authenticate` says who asks; its `on` handlers may refuse an action, add to what is stored (they are given the very
values the request will use) and narrow what the caller sees by metadata. Where it has no handler for a resource, rows
belong to whoever made them, which is stricter than the reference server.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from langgraph_sdk import Auth
from langgraph_sdk.auth.exceptions import HTTPException
from langgraph_sdk.auth.types import AuthContext
from starlette.requests import HTTPConnection

from threadkeep.auth.users import AuthUser, user_record
from threadkeep.errors import ForbiddenError, NotFoundError, StartupError, ThreadkeepError, UnauthorizedError

_REFUSALS: dict[int, type[ThreadkeepError]] = {401: UnauthorizedError, 404: NotFoundError}


class Handlers:
    def __init__(self, auth: object) -> None:
        if not isinstance(auth, Auth):
            raise StartupError(
                f"`auth.path` in langgraph.json names a {type(auth).__name__}; it must be a langgraph_sdk.Auth object."
            )
        if auth._authenticate_handler is None:
            raise StartupError("`auth.path` in langgraph.json: the Auth object has no @auth.authenticate function.")
        self._auth = auth
        self._authenticate: Callable[..., Any] = auth._authenticate_handler
        self._wants = frozenset(inspect.signature(self._authenticate).parameters)

    async def identify(self, connection: HTTPConnection) -> dict[str, Any]:
        """The user as a record with `identity`; `UnauthorizedError` or what else the project's code refuses with."""
        offered: dict[str, Callable[[], Any]] = {
            "request": lambda: connection,
            "path": lambda: connection.scope["path"],
            "method": lambda: connection.scope.get("method", "GET"),
            "path_params": lambda: dict(connection.path_params),
            "query_params": lambda: dict(connection.query_params),
            "headers": lambda: dict(connection.scope["headers"]),
            "authorization": lambda: connection.headers.get("authorization"),
            "body": lambda: None,
        }
        given = {name: offered[name]() for name in self._wants if name in offered}
        try:
            found = self._authenticate(**given)
            return user_record(await found if inspect.isawaitable(found) else found)
        except HTTPException as refused:
            raise _refusal(refused) from None

    def decide(self, resource: str) -> bool:
        """Whether any handler speaks for this resource; if none does, ownership decides."""
        return bool(self._auth._global_handlers) or any(one in (resource, "*") for one, _ in self._auth._handlers)

    async def filters(
        self, user: Mapping[str, Any], resource: str, action: str, value: dict[str, Any]
    ) -> dict[str, Any]:
        """The metadata that rows must contain for this action; raises what the handler refuses with."""
        handler = self._handler(resource, action)
        if handler is None:
            return {}
        who = AuthUser(user)
        context = AuthContext(
            permissions=list(who.permissions),
            user=who,
            resource=resource,  # type: ignore[arg-type]
            action=action,  # type: ignore[arg-type]
        )
        try:
            answer = await handler(ctx=context, value=value)
        except HTTPException as refused:
            raise _refusal(refused) from None
        if answer is None or answer is True:
            return {}
        if answer is False:
            raise ForbiddenError("Forbidden")
        return {key: _containment(wanted) for key, wanted in answer.items()}

    def _handler(self, resource: str, action: str) -> Callable[..., Any] | None:
        """The most specific one, as `langgraph_sdk.Auth` documents."""
        for key in ((resource, action), (resource, "*"), ("*", action)):
            if found := self._auth._handlers.get(key):
                return found[-1]
        return self._auth._global_handlers[-1] if self._auth._global_handlers else None


def _containment(wanted: Any) -> Any:
    """`{"$eq": x}` is x, and `{"$contains": x}` a list that has it (or all of a list)."""
    if not isinstance(wanted, dict):
        return wanted
    if set(wanted) == {"$eq"}:
        return wanted["$eq"]
    if set(wanted) == {"$contains"}:
        items = wanted["$contains"]
        return list(items) if isinstance(items, list | tuple) else [items]
    raise ForbiddenError("Forbidden")  # a filter that is not understood lets nothing through


def _refusal(refused: HTTPException) -> ThreadkeepError:
    return _REFUSALS.get(refused.status_code, ForbiddenError)(refused.detail)
