"""Errors on the wire: one table from our classes to HTTP, and the last resort for everything else.

The body is always `{"detail": "..."}`. What nobody foresaw ends in `LastResort`: logged once with its traceback and
answered with a plain 500 that tells the client nothing about the inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from threadkeep.api.openai_wire import error_wire
from threadkeep.api.responses import Json
from threadkeep.errors import (
    BadRequestError,
    ConflictError,
    CorruptError,
    ForbiddenError,
    GraphFactoryError,
    InvalidError,
    LimitedError,
    NotFoundError,
    StorageFullError,
    ThreadkeepError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UnsupportedError,
)
from threadkeep.streams.event_log import LastEventIdError
from threadkeep.streams.live import GapError
from threadkeep.streams.sse import StreamCutError

log = structlog.get_logger("threadkeep.api")

# The nearest class in an error's ancestry counts.
STATUS: dict[type[ThreadkeepError], int] = {
    BadRequestError: 400,
    LastEventIdError: 400,
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    GapError: 410,
    TooLargeError: 413,
    InvalidError: 422,
    LimitedError: 429,
    UnsupportedError: 501,
    UnavailableError: 503,
    GraphFactoryError: 503,
    StorageFullError: 507,
    CorruptError: 500,
    ThreadkeepError: 500,
}


def status_of(error: ThreadkeepError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(ThreadkeepError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, ThreadkeepError)
    return answer_to(error, request.scope)


def answer_to(error: ThreadkeepError, scope: Scope) -> Response:
    """One of our errors as the answer to this request, with the headers that its status asks for."""
    headers = {"www-authenticate": "Bearer"} if isinstance(error, UnauthorizedError) else {}
    if isinstance(error, UnavailableError | LimitedError):
        headers["retry-after"] = str(error.retry_after_seconds)
    return told(scope, str(error), status_of(error), headers)


def told(scope: Scope, detail: Any, status: int, headers: dict[str, str]) -> Response:
    """`{"detail"}`; to OpenAI's clients also as they know it, and with a word against repeating what cannot help."""
    if not scope["path"].removeprefix(scope.get("root_path", "")).startswith("/v1/"):
        return Json({"detail": detail}, status, headers=headers)
    if "retry-after" not in headers:
        headers["x-should-retry"] = "false"
    return Json({"error": error_wire(str(detail), status), "detail": detail}, status, headers=headers)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return told(request.scope, words_of(error.errors()), 422, {})


def words_of(problems: Sequence[Any]) -> str:
    """What pydantic found wrong, as one sentence a problem."""
    return "; ".join(_words(item) for item in problems[:5])


def _words(item: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in item["loc"] if part not in ("body", "query", "path"))
    if item["type"] == "json_invalid":
        return f"The body is not valid JSON: {item.get('ctx', {}).get('error', item['msg'])}"
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return told(request.scope, error.detail, error.status_code, dict(error.headers or {}))


class LastResort:
    """ASGI middleware: the border where an unforeseen error of one request ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        await last_resort(self._app, scope, receive, noted, lambda: started)


async def last_resort(app: ASGIApp, scope: Scope, receive: Receive, send: Send, has_begun: Callable[[], bool]) -> None:
    """Answer the request; `has_begun` tells whether the head of the answer is out, and what failed can only be cut."""
    try:
        await app(scope, receive, send)
    except StreamCutError:
        raise
    except Exception as error:
        log.error("request_failed", method=scope.get("method"), path=scope["path"], exc_info=error)
        if has_begun():
            raise StreamCutError from error
        await Json({"detail": "Internal server error"}, 500)(scope, receive, send)
