"""A PostgreSQL server for tests, and a database of its own for each of them.

`TEST_POSTGRES_URI` names the server, else it is the one at the usual port of this machine. Where none answers such a
test is left out, except where `CI` is set: there its absence is a failure.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

USUAL_PLACE = "postgresql://postgres@127.0.0.1:5432/postgres"
CONNECT_SECONDS = 5

_numbers = itertools.count(1)


def server_uri() -> str:
    return os.environ.get("TEST_POSTGRES_URI") or USUAL_PLACE


@contextmanager
def fresh_database() -> Iterator[str]:
    """The URI of an empty database, which is dropped afterwards with whatever is still connected to it."""
    uri = server_uri()
    try:
        connection = psycopg.connect(uri, autocommit=True, connect_timeout=CONNECT_SECONDS)
    except psycopg.OperationalError as error:
        if os.environ.get("CI"):
            pytest.fail(f"a PostgreSQL server must be there in CI: {error}")
        pytest.skip(f"needs a PostgreSQL server (TEST_POSTGRES_URI, else {USUAL_PLACE}): {error}")
    with connection:
        name = f"threadkeep_{os.getpid()}_{next(_numbers)}"
        database = sql.Identifier(name)
        # What a test process with this number left behind when it was killed.
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(database))
        try:
            yield urlsplit(uri)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


@contextmanager
def database_for(kind: str) -> Iterator[dict[str, str]]:
    """The environment that puts a server's everything in its data folder (`sqlite`) or in a new database."""
    if kind == "sqlite":
        yield {}
    else:
        with fresh_database() as uri:
            # A few connections are enough for a test, and several servers are open at once.
            yield {"DATABASE_URI": uri, "DATABASE_POOL_SIZE": "4"}
