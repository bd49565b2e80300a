"""The connections to a PostgreSQL server that thread state and store items go through, and what a lost one means.

An operation holds one connection for as long as it runs and never waits for a second one, so any number of runs share a
few. Each is one transaction that done again changes nothing: what was under way when a connection broke, or met a
deadlock, is simply done again, for as long as `PATIENCE_SECONDS`. Then `unavailable` is raised: whoever opens the pool
says which error that is, and has one place to tell callers to come back later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

T = TypeVar("T")
Connection: TypeAlias = psycopg.AsyncConnection[DictRow]
Cursor: TypeAlias = psycopg.AsyncCursor[DictRow]
Work: TypeAlias = Callable[[Cursor], Awaitable[T]]
Connections: TypeAlias = AsyncConnectionPool[Connection]

PATIENCE_SECONDS = 30.0
_CONNECT_SECONDS = 10
_WAIT_SECONDS = 2.0  # for a connection, before it is looked anew whether the database is there
_LONGEST_PAUSE_SECONDS = 1.0

# A read-only server is a standby: the address will lead to the new primary soon.
_PASSING = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)

# A database that has gone silent, without closing anything, is noticed within seconds.
_SIGNS_OF_LIFE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}

# Autocommit: one statement is one transaction, and one round trip.
_OPTIONS: dict[str, Any] = {"autocommit": True, "row_factory": dict_row}


class DatabaseUnavailableError(ConnectionError):
    """The database cannot be reached, or is too busy."""


class Pool:
    """Made by `open_pool`. Called from any event loop; all work is done on the one that opened it."""

    def __init__(self, connections: Connections, unavailable: type[Exception], patience_seconds: float) -> None:
        self.connections = connections
        self.loop = asyncio.get_running_loop()
        self._unavailable = unavailable
        self._patience_seconds = patience_seconds
        self._checking = False

    async def run(self, work: Work[T]) -> T:
        """What `work`, a single statement, makes of a cursor."""

        async def once() -> T:
            async with self.cursor() as cursor:
                return await work(cursor)

        return await self.repeat(once)

    async def transaction(self, work: Work[T]) -> T:
        """As `run`, for several statements that count together or not at all."""

        async def together(cursor: Cursor) -> T:
            async with cursor.connection.transaction():
                return await work(cursor)

        return await self.run(together)

    @asynccontextmanager
    async def cursor(self) -> AsyncIterator[Cursor]:
        """On a connection of its own."""
        wait = min(_WAIT_SECONDS, self._patience_seconds)
        async with self.connections.connection(wait) as connection, connection.cursor() as cursor:
            yield cursor

    async def repeat(self, operation: Callable[[], Awaitable[T]]) -> T:
        """The operation's result, however often the database has to be asked within the time there is."""
        if asyncio.get_running_loop() is self.loop:
            return await self._patiently(operation)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._patiently(operation), self.loop))

    async def _patiently(self, operation: Callable[[], Awaitable[T]]) -> T:
        task = asyncio.current_task()
        assert task is not None
        cancellations = task.cancelling()
        deadline = time.monotonic() + self._patience_seconds
        pause = 0.05
        while True:
            try:
                result = await operation()
                if task.cancelling() == cancellations:
                    return result
            except psycopg.errors.QueryCanceled as error:  # a statement_timeout: another time would be as long
                raise self._unavailable(f"The database took too long: {error}") from error
            except (*_PASSING, PoolTimeout) as error:
                if time.monotonic() + pause >= deadline:
                    raise self._unavailable(f"The database cannot be used at the moment: {error}") from error
                if not isinstance(error, PoolTimeout):
                    await self._check_idle()
            if task.cancelling() != cancellations:
                # Until Python 3.12 a wait for a connection that has just come may swallow the cancellation.
                raise asyncio.CancelledError
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _check_idle(self) -> None:
        """Where one connection broke, the idle ones mostly have too."""
        if not self._checking:
            self._checking = True
            try:
                await self.connections.check()
            finally:
                self._checking = False


@asynccontextmanager
async def open_pool(
    uri: str,
    *,
    size: int,
    name: str,
    unavailable: type[Exception] = DatabaseUnavailableError,
    patience_seconds: float = PATIENCE_SECONDS,
) -> AsyncIterator[Pool]:
    """At most `size` connections, one when nobody asks. `name` is shown by PostgreSQL beside each of them."""
    connections: Connections = AsyncConnectionPool(
        conninfo_of(uri, name),
        kwargs=_OPTIONS,
        min_size=1,
        max_size=size,
        open=False,
        name=name,
        # The pool pauses ever longer between its attempts; who asks after it gave up starts a new one at once.
        reconnect_timeout=_WAIT_SECONDS / 2,
    )
    async with connections:
        yield Pool(connections, unavailable, patience_seconds)


@asynccontextmanager
async def connected(uri: str, name: str) -> AsyncIterator[Connection]:
    """One connection, for what is done once; `DatabaseUnavailableError` and `ValueError` say why there is none."""
    try:
        connection: Connection = await psycopg.AsyncConnection.connect(conninfo_of(uri, name), **_OPTIONS)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(f"PostgreSQL: {error}") from error
    async with connection:
        yield connection


def conninfo_of(uri: str, name: str) -> str:
    try:
        said = conninfo_to_dict(uri)
    except psycopg.ProgrammingError as error:
        raise ValueError(f"this is no address of a PostgreSQL database: {error}") from error
    ours: dict[str, str | int] = {"connect_timeout": _CONNECT_SECONDS, "application_name": name, **_SIGNS_OF_LIFE}
    return make_conninfo(uri, **{option: value for option, value in ours.items() if option not in said})
