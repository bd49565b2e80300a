"""A body is JSON, whatever the client calls it; and it is refused at the door when it cannot be kept as it is.

What a body holds is stored as JSON, perhaps read back after a restart, and shown to others: a number that is not read
back the same, nesting that exhausts the stack, or more values than can be looked at while others wait, is refused
before anything is done with it.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from fastapi import HTTPException, Request
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from threadkeep.errors import InvalidError
from threadkeep.json import LEAST_WHOLE, MOST_WHOLE

MOST_LEVELS = 200
"""orjson writes 254 levels; what is answered has a body's parts a few levels deeper than they came."""
MOST_BOXES = 250_000
"""Objects and arrays in one body: each takes the parser as long as hundreds of characters of text."""
MOST_VALUES = 1_000_000
_MOST_DIGITS = 20
_LONG = 256_000
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)

T = TypeVar("T")


class JsonBodies:
    """ASGI middleware for our own routes alone: those of a custom application may well take forms.

    Studio says `text/plain` to spare itself a preflight (the origin guard has looked before); curl's `-d` says form.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and any(
            name == b"content-type" and b"json" not in kind for name, kind in scope["headers"]
        ):
            MutableHeaders(scope=scope)["content-type"] = "application/json"
        await self._app(scope, receive, send)


def loads(sent: bytes | str) -> Any:
    """What a client says in JSON; `InvalidError` when it cannot be kept as it is, `ValueError` when it is no JSON.

    `NaN` and `Infinity`, which Python's own clients may send, are let through: they are written as `null`.
    """
    text = sent if isinstance(sent, str) else sent.decode(json.detect_encoding(sent), "surrogatepass")
    _require_few(text)
    try:
        value = json.loads(text, parse_int=_whole, parse_float=_fraction)
    except RecursionError:
        _refuse_depth()
    if text.count("[") + text.count("{") > MOST_LEVELS:
        _require_shallow(value)
    return value


async def reading(sent: bytes | str, read: Callable[[bytes | str], T]) -> T:
    """What `read` makes of a body; of a long one beside the event loop."""
    return read(sent) if len(sent) <= _LONG else await asyncio.to_thread(read, sent)


async def sent_with(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect:
        raise HTTPException(400, "There was an error parsing the body") from None


def once_more(sent: bytes, receive: Receive) -> Receive:
    """A request's messages for who reads a body that was read already."""
    messages: list[Message] = [{"type": "http.request", "body": sent, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


Handler = Callable[[Request], Awaitable[Response]]


def reading_json(handler: Handler) -> Callable[[Request], Any]:
    """FastAPI's handler of a route, given a body that `loads` has read; what is no JSON it refuses in its own words."""

    async def handle(request: Request) -> Response:
        ours = _JsonRequest(request.scope, request.receive)
        with suppress(ValueError, ClientDisconnect):
            await ours.json()
        return await handler(ours)

    return handle


class _JsonRequest(Request):
    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = await reading(await self.body(), loads)
        return self._json


def _whole(digits: str) -> int:
    if len(digits) <= _MOST_DIGITS and LEAST_WHOLE <= (number := int(digits)) <= MOST_WHOLE:
        return number
    raise InvalidError(
        f"The whole number {_shown(digits)} cannot be kept as it is: it must be from {LEAST_WHOLE} to {MOST_WHOLE}. "
        "Send it as a string."
    )


def _fraction(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidError(f"The number {_shown(text)} is too large to be kept. Send it as a string.")
    return number


def _shown(digits: str) -> str:
    return digits if len(digits) <= 40 else f"{digits[:20]}... ({len(digits)} characters)"


def _require_few(text: str) -> None:
    """Counted before it is parsed, which would hold up everybody; without the texts only where it may be too much."""
    if _is_much(text) and _is_much(_STRING.sub("", text)):
        raise InvalidError(
            f"The body holds too much to be looked at: at most {MOST_BOXES} objects and arrays, and {MOST_VALUES} "
            "values in all. Send it in parts, or as a string."
        )


def _is_much(text: str) -> bool:
    boxes = text.count("[") + text.count("{")
    return boxes > MOST_BOXES or boxes + text.count(",") > MOST_VALUES


def _require_shallow(value: Any) -> None:
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [
            item
            for box in level
            for item in (box.values() if isinstance(box, dict) else box)
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    _refuse_depth()


def _refuse_depth() -> NoReturn:
    raise InvalidError(f"The body is nested more than {MOST_LEVELS} levels deep.") from None
