"""What the thread protocol's commands are given and what they give back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from threadkeep.callers import Caller
from threadkeep.engine import Engine
from threadkeep.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ThreadkeepError,
    UnauthorizedError,
    UnsupportedError,
)
from threadkeep.storage.thread_rows import Thread


@dataclass(frozen=True, slots=True)
class OnThread:
    """Where a command was sent, and by whom."""

    engine: Engine
    caller: Caller
    thread_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    result: dict[str, Any]
    applied_through_seq: int | None = None
    """Events of what the command started come after this number."""


class RefusedError(ThreadkeepError):
    """The command is refused, with the protocol's own code for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# The nearest class in an error's ancestry counts.
_CODES: dict[type[ThreadkeepError], str] = {
    InvalidError: "invalid_argument",
    NotFoundError: "invalid_argument",
    ConflictError: "invalid_argument",
    UnauthorizedError: "permission_denied",
    ForbiddenError: "permission_denied",
    UnsupportedError: "not_supported",
    ThreadkeepError: "unknown_error",
}


def code_of(error: ThreadkeepError) -> str:
    if isinstance(error, RefusedError):
        return error.code
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


async def known_thread(on: OnThread) -> Thread | None:
    try:
        return await on.engine.threads.get(on.thread_id, on.caller)
    except NotFoundError:
        return None
