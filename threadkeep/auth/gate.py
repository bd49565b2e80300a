"""The gate: from a request's credentials to its caller, and from an action to what the caller may see of it.

Off while nothing is configured: then everybody sees everything, and the server listens on this machine alone. On, there
is no way round it: who sends nothing, or nothing valid, is nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from starlette.requests import HTTPConnection

from threadkeep.auth.handlers import Handlers
from threadkeep.auth.tokens import Tokens
from threadkeep.callers import ACT_FOR, ADMIN, EVERYONE, READ_ONLY, SCOPES, Caller
from threadkeep.errors import ForbiddenError, UnauthorizedError
from threadkeep.storage.api_keys import ApiKeys, looks_like_key

_READING = frozenset({"read", "search", "get", "list_namespaces"})
_SCOPE_PREFIX = "threadkeep:"
ACT_FOR_HEADER = "x-act-for"


@dataclass(frozen=True, slots=True)
class Gate:
    now: Callable[[], str]
    keys: ApiKeys | None = None
    tokens: Tokens | None = None
    handlers: Handlers | None = None

    @property
    def on(self) -> bool:
        """Whether anybody has to say who they are."""
        return not (self.keys is None and self.tokens is None and self.handlers is None)

    async def identify(self, connection: HTTPConnection) -> Caller:
        """Who sent this request; `UnauthorizedError` when that is not known."""
        if not self.on:
            return EVERYONE
        caller = await self._identified(connection)
        user_id = unquote(connection.headers.get(ACT_FOR_HEADER, ""))
        return acting_for(caller, user_id) if user_id else caller

    async def _identified(self, connection: HTTPConnection) -> Caller:
        sent = _credential(connection)
        if self.keys is not None and looks_like_key(sent):
            key = await self.keys.bearer_of(sent, now=self.now())
            return _caller({"identity": key.owner, "permissions": list(key.scopes)}, frozenset(key.scopes))
        if self.tokens is not None and sent.count(".") == 2:
            claims = await self.tokens.claims(sent)
            words = claims.get("scope") or claims.get("scp") or ""
            permissions = words.split() if isinstance(words, str) else [str(word) for word in words]
            user = {"identity": str(claims["sub"]), "permissions": permissions}
            # An issuer's own words, "admin" say, mean nothing here: ours carry our name.
            ours = {word.removeprefix(_SCOPE_PREFIX) for word in permissions if word.startswith(_SCOPE_PREFIX)}
            return _caller(user, frozenset(ours & SCOPES.keys()))
        if self.handlers is not None:
            return _caller(await self.handlers.identify(connection), frozenset())
        raise UnauthorizedError("Say who you are: send an API key (x-api-key, or Authorization: Bearer).")

    async def allow(self, caller: Caller, resource: str, action: str, value: dict[str, Any]) -> Caller:
        """The caller as this action may go on: seeing its own rows, or those that the project's rules leave it.

        `value` is what the request is about, and what the project's handlers change in it is what will be stored.
        Raises `ForbiddenError`, or what a handler refuses with.
        """
        if not caller.known:
            return caller
        if READ_ONLY in caller.scopes and action not in _READING:
            raise ForbiddenError(f"This key may only read, not {action.replace('_', ' ')}.")
        if self.handlers is None or caller.user is None or not self.handlers.decide(resource):
            return caller
        filters = await self.handlers.filters(caller.user, resource, action, value)
        return replace(caller, owner=None, filters=filters)

    def separates_store(self) -> bool:
        """Whether each owner has a store of its own; not where the project's handlers say what a namespace means."""
        return self.on and (self.handlers is None or not self.handlers.decide("store"))


def acting_for(caller: Caller, user_id: str) -> Caller:
    """The caller as the user it names: itself, or with `act_for` anybody. Otherwise `ForbiddenError`."""
    if not caller.known or user_id == caller.identity:
        return caller
    if not caller.scopes & {ACT_FOR, ADMIN}:
        raise ForbiddenError(f"Only a key with the scope {ACT_FOR} may act for another user.")
    user = {**(caller.user or {}), "identity": user_id}
    return replace(caller, owner=user_id, identity=user_id, user=user)


def _caller(user: dict[str, Any], scopes: frozenset[str]) -> Caller:
    identity = str(user["identity"])
    return Caller(None if ADMIN in scopes else identity, identity, scopes, user)


def _credential(connection: HTTPConnection) -> str:
    authorization = connection.headers.get("authorization", "")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return connection.headers.get("x-api-key", "").strip()
