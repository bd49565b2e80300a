"""What can be told of a database without changing it."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from threadkeep.errors import UnavailableError
from threadkeep.storage.postgres import without_password
from threadkeep.storage.postgres_schema import OPTIONS, SCHEMA, migration_scripts

CONNECTIONS_BESIDE_THE_POOL = 4 + 1 + 10 + 5
"""Of each process: its holds, its listener, the checkpointer's and the store's."""


@dataclass(frozen=True, slots=True)
class Facts:
    name: str
    """Its address without the password."""
    schema: int
    """How far its tables have come; 0 when there are none."""
    newest_schema: int
    connections: int
    """How many all of its users may have open together."""
    read_only: bool


def facts(uri: str) -> Facts:
    """`UnavailableError` with the reason when it does not answer, `StartupError` when this is no address."""
    name = without_password(uri)
    try:
        with psycopg.connect(uri, **OPTIONS, autocommit=True) as raw:
            settings = """SELECT current_setting('max_connections')::int
                                 - current_setting('superuser_reserved_connections')::int,
                                 current_setting('default_transaction_read_only') = 'on' OR pg_is_in_recovery(),
                                 to_regclass(%s) IS NOT NULL"""
            found = raw.execute(settings, (f"{SCHEMA}.schema_version",)).fetchone()
            assert found is not None
            connections, read_only, made = found
            row = raw.execute(f"SELECT version FROM {SCHEMA}.schema_version").fetchone() if made else None
    except psycopg.Error as error:
        raise UnavailableError(" ".join(str(error).split())) from error
    return Facts(name, 0 if row is None else int(row[0]), len(migration_scripts()), connections, read_only)
