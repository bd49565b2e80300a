"""The server's tables in PostgreSQL and their history: `postgres_sql/0001_*.sql`, ... each applied once, in order.

They live in a schema of their own, so that neither the checkpointer's tables nor anybody else's are in the way. All
missing steps are one transaction, under a lock, so that of several servers that start together one does it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from threadkeep.errors import StartupError

SCHEMA = "threadkeep"
CHANNEL = "threadkeep"
OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "threadkeep",
}
"""How every connection is made: a database that has gone silent is noticed within seconds."""
_FOLDER = Path(__file__).parent / "postgres_sql"
_LOCK = 7_400


HELD_RUN = f"""SELECT 1 FROM {SCHEMA}.runs
WHERE run_id = %(held_run_id)s AND attempt = %(held_attempt)s AND status = 'running' FOR SHARE"""
"""For a checkpointer in the same database: a row while an attempt has its run, which nobody can take meanwhile."""


def migration_scripts() -> list[Path]:
    return sorted(_FOLDER.glob("[0-9]*.sql"))


def migrate(raw: psycopg.Connection[Any]) -> None:
    """Bring the tables up to date; `StartupError` when a newer Threadkeep made them."""
    scripts = migration_scripts()
    with raw.transaction():
        raw.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        raw.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        raw.execute(f"SET LOCAL search_path TO {SCHEMA}")
        raw.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        row = raw.execute("SELECT version FROM schema_version").fetchone()
        version = 0 if row is None else int(row[0])
        if version > len(scripts):
            raise StartupError(
                f"The database was written by a newer Threadkeep (schema {version}; this one knows {len(scripts)}). "
                "Start that version."
            )
        if row is None:
            raw.execute("INSERT INTO schema_version VALUES (0)")
        for script in scripts[version:]:
            raw.execute(script.read_text(encoding="utf-8"))
        raw.execute("UPDATE schema_version SET version = %s", (len(scripts),))
