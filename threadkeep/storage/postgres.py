"""PostgreSQL behind the same promises as one SQLite file: small reads, and work that happens whole or not at all.

The pieces of work are the same code as on SQLite; each runs on a thread, in a transaction of its own (READ COMMITTED).
What SQLite gives by having one writer at a time, a piece of work asks for here: it locks the keys it is about (advisory
locks, so that a thread that does not exist yet can be locked too). What still collides is undone and run again.

Several processes may share one database. A transaction's `tell` is heard by all of them (`notices.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from threadkeep.errors import StartupError, StorageFullError, ThreadkeepError, UnavailableError
from threadkeep.storage.connection import Arguments, Connection, Row
from threadkeep.storage.database import Settled
from threadkeep.storage.dialect import POSTGRES, Dialect, in_postgres
from threadkeep.storage.notices import listen
from threadkeep.storage.postgres_connection import HOLDS_KEYSPACE, NothingAskedError, roll_back, transaction
from threadkeep.storage.postgres_schema import OPTIONS, SCHEMA, migrate

T = TypeVar("T")

_HOLDS = 4
_TRIES = 5
_COLLISIONS = (errors.SerializationFailure, errors.DeadlockDetected, errors.UniqueViolation)


class PostgresDatabase:
    """A `Database`, made by `open_postgres`."""

    dialect: Dialect = POSTGRES

    def __init__(self, uri: str, size: int) -> None:
        self.uri = uri
        self.process = uuid4().hex[:16]
        """Who this is among the processes that share the database."""
        self.name = without_password(uri)
        self._pool = _pool(uri, size)
        self._threads = ThreadPoolExecutor(size, "threadkeep-postgres")
        # Work that a holder waits for must find a connection, so holders have theirs apart.
        self._holds = _pool(uri, _HOLDS, least=0)
        self._hold_threads = ThreadPoolExecutor(_HOLDS, "threadkeep-holds")

    async def read(self, sql: str, arguments: Arguments = ()) -> list[Row]:
        return await self._on_a_thread(self._read, sql, arguments)

    async def scan(self, sql: str, arguments: Arguments = ()) -> list[Row]:
        return await self.read(sql, arguments)

    async def read_one(self, sql: str, arguments: Arguments = ()) -> Row | None:
        rows = await self.read(sql, arguments)
        return rows[0] if rows else None

    async def write(
        self, work: Callable[[Connection], T], *, durable: bool = True, settled: Settled[T] | None = None
    ) -> T:
        """Always durable: PostgreSQL groups the commits of all its clients by itself."""
        # A caller that is cancelled must not take its work back: the commit may already have happened.
        writing = self._on_a_thread(self._transaction, work)
        if settled is not None:
            writing.add_done_callback(settled)
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            writing.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody waits for it any more
            raise

    @property
    def promised(self) -> int:
        return 0

    def is_on_disk(self, place: int) -> bool:
        return True

    async def sync(self, upto: int | None = None) -> None:
        return

    def start_sync(self, upto: int) -> None:
        return

    def sync_soon(self) -> int:
        return 0

    async def listen(self, heard: Callable[[str], None], missed: Callable[[], None]) -> None:
        await listen(self.uri, self.process, heard, missed)

    async def check_writable(self) -> None:
        await self.write(_touch)

    async def quick_check(self) -> list[str]:
        return []  # the database server looks after its own files

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        taking = loop.run_in_executor(self._hold_threads, self._take_hold, key)
        try:
            raw = await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(self._let_go_unused)
            raise
        try:
            yield
        finally:
            await asyncio.shield(loop.run_in_executor(self._hold_threads, self._let_go, raw))

    def _on_a_thread(self, work: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _read(self, sql: str, arguments: Arguments) -> list[Row]:
        def work(raw: psycopg.Connection[Row]) -> list[Row]:
            try:
                return raw.execute(in_postgres(sql), arguments).fetchall()
            except psycopg.OperationalError as error:
                if raw.broken:
                    raise NothingAskedError(str(error)) from error
                raise

        return self._tried(work)

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        def whole(raw: psycopg.Connection[Row]) -> T:
            with transaction(raw, self.process) as connection:
                return work(connection)

        return self._tried(whole)

    def _tried(self, work: Callable[[psycopg.Connection[Row]], T]) -> T:
        """What `work` gives, run again when it collided with another's or met a connection that was dead already."""
        for tried in range(1, _TRIES + 1):
            try:
                with self._pool.connection() as raw:
                    return work(raw)
            except NothingAskedError as dead:
                if tried > 1:
                    raise _translated(dead, self.name) from dead
                self._pool.check()
            except _COLLISIONS as error:
                if tried == _TRIES:
                    raise _translated(error, self.name) from error
            except (psycopg.Error, PoolTimeout, PoolClosed) as error:
                raise _translated(error, self.name) from error
        raise UnavailableError(f"{self.name}: the work collided with others' {_TRIES} times; try again.")

    def _take_hold(self, key: str) -> psycopg.Connection[Row]:
        try:
            raw = self._holds.getconn()
        except (psycopg.Error, PoolTimeout, PoolClosed) as error:
            raise _translated(error, self.name) from error
        try:
            raw.execute("BEGIN")
            raw.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (HOLDS_KEYSPACE, key))
        except psycopg.Error as error:
            self._let_go(raw)
            raise _translated(error, self.name) from error
        return raw

    def _let_go_unused(self, taking: asyncio.Future[psycopg.Connection[Row]]) -> None:
        """Whoever wanted the hold has gone; if it comes after all, it is given back."""
        if not taking.cancelled() and taking.exception() is None:
            self._hold_threads.submit(self._let_go, taking.result())

    def _let_go(self, raw: psycopg.Connection[Row]) -> None:
        roll_back(raw)
        self._holds.putconn(raw)

    def open(self) -> None:
        """`StartupError` when the database cannot be used."""
        try:
            with psycopg.connect(self.uri, **OPTIONS, autocommit=True) as raw:
                migrate(raw)
            self._pool.open(wait=True, timeout=10)
            self._holds.open()
        except (psycopg.Error, PoolTimeout) as error:
            message = f"The database {self.name} (DATABASE_URI) cannot be used: {_words(error)}."
            raise StartupError(message) from error

    def close(self) -> None:
        self._threads.shutdown()
        self._hold_threads.shutdown()
        self._pool.close()
        self._holds.close()


@asynccontextmanager
async def open_postgres(uri: str, *, connections: int) -> AsyncIterator[PostgresDatabase]:
    """Connect and bring the tables up to date; `StartupError` with what to do when that fails."""
    database = PostgresDatabase(uri, connections)
    try:
        await asyncio.to_thread(database.open)
        yield database
    finally:
        await asyncio.to_thread(database.close)


def without_password(uri: str) -> str:
    """A database's address as people may be told it."""
    try:
        known = conninfo_to_dict(uri)
    except psycopg.ProgrammingError as error:
        raise StartupError("DATABASE_URI must look like postgresql://user:password@host:5432/name.") from error
    hosts, ports = str(known.get("host") or "localhost").split(","), str(known.get("port") or 5432).split(",")
    places = zip(hosts, ports if len(ports) == len(hosts) else ports * len(hosts), strict=False)
    where = ",".join(f"{host}:{port or 5432}" for host, port in places)
    return f"postgresql://{known.get('user') or ''}@{where}/{known.get('dbname') or ''}"


def _pool(uri: str, size: int, *, least: int = 1) -> ConnectionPool[psycopg.Connection[Row]]:
    return ConnectionPool(
        uri,
        min_size=least,
        max_size=size,
        open=False,
        timeout=5.0,
        # The pool pauses ever longer between its attempts; who asks after it gave up starts a new one at once.
        reconnect_timeout=1.0,
        # Statements are sent whole, so that no type has to be guessed for a null.
        kwargs={
            **OPTIONS,
            "autocommit": True,
            "cursor_factory": psycopg.ClientCursor,
            "options": f"-c search_path={SCHEMA} -c statement_timeout=30s -c idle_in_transaction_session_timeout=600s",
        },
    )


def _touch(connection: Connection) -> None:
    """The smallest write that a read-only or full database refuses."""
    connection.execute("UPDATE schema_version SET version = version")


def _words(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _translated(error: Exception, name: str) -> ThreadkeepError:
    match error:
        case errors.DiskFull():
            return StorageFullError()
        case PoolTimeout() | PoolClosed():
            return UnavailableError(f"{name} has no connection to spare (DATABASE_POOL_SIZE), or cannot be reached.")
        case psycopg.OperationalError() | errors.ReadOnlySqlTransaction() | psycopg.InterfaceError():
            return UnavailableError(f"{name} cannot be used at the moment: {_words(error)}.")
        case _:
            return ThreadkeepError(f"{name}: {_words(error)}")
