"""How tables in PostgreSQL come to be, and the saver's: those of LangGraph's own, with what ours needs besides.

    checkpoints.run_id         the run that made it; null in a copy, which its run's removal must leave alone
    checkpoints.hidden         removed, but a surviving checkpoint's DeltaChannel is replayed from its writes
    checkpoint_writes.run_id   the run that left the write, which may be another one than the checkpoint's
    checkpoint_writes_replaced an interrupt or an answer of one run that another run's took the place of: it is put back
                               when that other run is undone

LangGraph's saver still reads and writes such tables. Several servers may start at once: one at a time migrates, in one
transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from langgraph.checkpoint.postgres.base import BasePostgresSaver
from psycopg import sql

from checkpoints.postgres.pool import Connection, Cursor

LOCKS = 0x546B6370
"""The first key of every advisory lock taken here ("Tkcp"); the second says of what: 0 of the schema, or a thread."""

_OURS = (
    """ALTER TABLE checkpoints ADD COLUMN IF NOT EXISTS run_id TEXT,
       ADD COLUMN IF NOT EXISTS hidden BOOLEAN NOT NULL DEFAULT false""",
    "ALTER TABLE checkpoint_writes ADD COLUMN IF NOT EXISTS run_id TEXT",
    "CREATE INDEX IF NOT EXISTS checkpoints_run_id_idx ON checkpoints (run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS checkpoint_writes_run_id_idx ON checkpoint_writes (run_id) WHERE run_id IS NOT NULL",
    """CREATE TABLE checkpoint_writes_replaced (LIKE checkpoint_writes, replaced_by TEXT NOT NULL);
       CREATE INDEX checkpoint_writes_replaced_idx ON checkpoint_writes_replaced (thread_id, checkpoint_ns);
       CREATE FUNCTION keep_replaced_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO checkpoint_writes_replaced SELECT OLD.*, NEW.run_id;
           RETURN NEW;
       END $$;
       CREATE TRIGGER keep_replaced_write BEFORE UPDATE ON checkpoint_writes FOR EACH ROW
           WHEN (NEW.run_id IS NOT NULL AND OLD.run_id IS DISTINCT FROM NEW.run_id)
           EXECUTE FUNCTION keep_replaced_write()""",
)


@asynccontextmanager
async def migrating(connection: Connection) -> AsyncIterator[Cursor]:
    """A transaction that no other server's migration runs beside."""
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", (LOCKS,))
        yield cursor


async def migrate_checkpoints(connection: Connection) -> None:
    async with migrating(connection) as cursor:
        # An index made `CONCURRENTLY` cannot be made in a transaction; the tables are new, or nobody writes yet.
        theirs = [one.replace("INDEX CONCURRENTLY", "INDEX") for one in BasePostgresSaver.MIGRATIONS]
        await carry_out(cursor, "checkpoint_migrations", theirs)
        await carry_out(cursor, "checkpoint_additions", _OURS)


async def carry_out(cursor: Cursor, table: str, migrations: Sequence[str]) -> None:
    """Those that `table` does not name yet."""
    notes = sql.Identifier(table)
    await cursor.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} (v INTEGER PRIMARY KEY)").format(notes))
    await cursor.execute(sql.SQL("SELECT coalesce(max(v), -1) AS v FROM {}").format(notes))
    found = await cursor.fetchone()
    assert found is not None
    for number, migration in list(enumerate(migrations))[found["v"] + 1 :]:
        await cursor.execute(migration.encode())
        await cursor.execute(sql.SQL("INSERT INTO {} (v) VALUES (%s)").format(notes), (number,))
