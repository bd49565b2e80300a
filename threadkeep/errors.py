"""The errors a caller can meet, as values of our own classes.

They know no HTTP: `api/errors.py` maps each class to a status in one table. A class's docstring is its default
message, so raising one without words still says something true.

    ThreadkeepError
    ├── InvalidError          what was sent cannot be understood or breaks a rule
    │   └── BadRequestError   understood, but impossible for this resource
    ├── NotFoundError         no such resource, or not the caller's
    ├── UnauthorizedError     who asks is not known
    ├── ForbiddenError        who asks is known, and may not do this
    ├── ConflictError         the resource is in a state that forbids this
    ├── TooLargeError         more than may be kept or taken
    ├── LimitedError          more than this caller may have at the moment
    ├── UnsupportedError      the configured saver or store cannot do this
    ├── UnavailableError      not now: draining, locked, read-only
    │   └── StorageFullError  the disk is full
    ├── GraphFactoryError     a graph cannot be made at the moment
    ├── CorruptError          a file is damaged
    └── StartupError          the server cannot start like this
"""

from __future__ import annotations

from typing import ClassVar


class ThreadkeepError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class InvalidError(ThreadkeepError):
    """The request is not valid."""


class BadRequestError(InvalidError):
    """The request makes no sense for this resource."""


class NotFoundError(ThreadkeepError):
    """Not found."""


class UnauthorizedError(ThreadkeepError):
    """Invalid token"""


class ForbiddenError(ThreadkeepError):
    """This caller may not do this."""


class ConflictError(ThreadkeepError):
    """Conflict with the present state of the resource."""


class TooLargeError(ThreadkeepError):
    """This is larger than may be."""


class LimitedError(ThreadkeepError):
    """Too many requests."""

    def __init__(self, message: str | None = None, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnsupportedError(ThreadkeepError):
    """The configured checkpointer or store cannot do this."""


class UnavailableError(ThreadkeepError):
    """The server cannot do this at the moment; try again soon."""

    retry_after_seconds: ClassVar[int] = 1


class StorageFullError(UnavailableError):
    """The disk is full: nothing was stored. Free some space and try again."""

    retry_after_seconds: ClassVar[int] = 30


class GraphFactoryError(ThreadkeepError):
    """The graph's factory failed."""


class CorruptError(ThreadkeepError):
    """A database file is damaged; restore it from a backup."""


class StartupError(ThreadkeepError):
    """The server cannot start."""


def said_by(value: object, *, otherwise: str = "") -> str:
    """The text of an error, or of anything else. Somebody's class may fail to give any."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - `__str__` is foreign code
        return otherwise
