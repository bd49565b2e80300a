"""The server's tables for a command: no event loop and no pool, and beside servers that run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg

from threadkeep.errors import UnavailableError
from threadkeep.storage.postgres import without_password
from threadkeep.storage.postgres_connection import PostgresConnection, transaction
from threadkeep.storage.postgres_schema import OPTIONS, SCHEMA, migrate

_WHO = "command"


@contextmanager
def postgres_commands(uri: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection to the database, its tables up to date; `UnavailableError` when it cannot be used."""
    name = without_password(uri)
    try:
        with psycopg.connect(uri, **OPTIONS, autocommit=True, cursor_factory=psycopg.ClientCursor) as raw:
            migrate(raw)
            raw.execute(f"SET search_path TO {SCHEMA}")
            yield raw
    except psycopg.Error as error:
        raise UnavailableError(f"{name} cannot be used: {' '.join(str(error).split())}") from error


def one_transaction(raw: psycopg.Connection[tuple[object, ...]]) -> AbstractContextManager[PostgresConnection]:
    """Committed at the end of the block, undone when it raises."""
    return transaction(raw, _WHO)
