"""The file format of `checkpoints.db`: its tables, how a connection is opened, and which files are refused.

What is bulky (`body`) is appended in arrival order, whatever thread it belongs to; what finds it (`entry`, `block`)
is small and clustered by thread. A super-step of one thread then dirties one or two index pages and shares the body
pages with every other thread of the same commit: an eighth of the WAL that rows clustered by thread would write.

    namespace   a thread's checkpoint_ns -> id; all other tables know only the id
    body        one encoded checkpoint, task's writes, or run of channel items (`type` as the serializer names it)
    entry       (namespace, checkpoint_id, 0) -> the checkpoint's body; (.., body id) -> writes stored on it;
                (.., HIDDEN) -> a checkpoint that was removed, but that a DeltaChannel is still replayed from
    block       (namespace, position, length) -> the body that holds these items; positions are never used twice
    run         which namespaces a run wrote to, for deletion by run
"""

from contextlib import suppress
from pathlib import Path

import apsw

APPLICATION_ID = 0x546B6370  # "Tkcp"
FORMAT = 1
OLDEST_SAFE_SQLITE = 3051003  # earlier ones can corrupt a WAL that two connections write and checkpoint
HIDDEN = -1

TABLES = """
CREATE TABLE namespace (
    id INTEGER PRIMARY KEY, thread_id TEXT NOT NULL, checkpoint_ns TEXT NOT NULL, UNIQUE (thread_id, checkpoint_ns));
CREATE TABLE body (id INTEGER PRIMARY KEY, type TEXT, data BLOB NOT NULL);
CREATE TABLE entry (
    namespace INTEGER NOT NULL, checkpoint_id TEXT NOT NULL, ordinal INTEGER NOT NULL, body INTEGER NOT NULL,
    PRIMARY KEY (namespace, checkpoint_id, ordinal)) WITHOUT ROWID;
CREATE TABLE block (
    namespace INTEGER NOT NULL, position INTEGER NOT NULL, length INTEGER NOT NULL, body INTEGER NOT NULL,
    PRIMARY KEY (namespace, position)) WITHOUT ROWID;
CREATE TABLE run (run_id TEXT NOT NULL, namespace INTEGER NOT NULL, PRIMARY KEY (run_id, namespace)) WITHOUT ROWID;
"""


class FileFormatError(RuntimeError):
    """The file is not a checkpoint file this version can read."""


def connect(path: Path, *, vfs: str | None = None, exclusive: bool = False) -> apsw.Connection:
    """A connection in WAL mode that never waits for a lock by itself: waiting is for whoever knows the event loop.

    `exclusive` keeps the WAL index in memory, which is the only way for a VFS without shared memory; the file then
    takes one connection.
    """
    if apsw.SQLITE_VERSION_NUMBER < OLDEST_SAFE_SQLITE:
        raise RuntimeError(
            f"apsw brings SQLite {apsw.sqlite_lib_version()}, which can corrupt a WAL; install apsw>=3.51.3"
        )
    connection = apsw.Connection(str(path), vfs=vfs)
    if exclusive:
        connection.pragma("locking_mode", "exclusive")
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "normal")  # commits survive the process; flush() makes them survive the power
    connection.wal_autocheckpoint(0)
    connection.pragma("cache_size", -4_000)  # the operating system keeps what does not fit
    connection.set_busy_timeout(0)
    # Or a statement whose plan could depend on a bound value is planned anew whenever it is run.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    return connection


def settle(connection: apsw.Connection) -> None:
    """Copy what the last process left in the WAL into the file, and sync it.

    It may have committed what no sync followed, or what the disk refused; from here on what is read is on the disk.
    With somebody else's reader in the way it stays in the WAL, for the first sync of that.
    """
    with suppress(apsw.BusyError):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def prepare(connection: apsw.Connection, path: Path) -> None:
    """Create the tables in an empty file; raise FileFormatError for a file of another kind or a newer version."""
    found = connection.pragma("application_id")
    if found == APPLICATION_ID:
        if (version := connection.pragma("user_version")) != FORMAT:
            raise FileFormatError(f"{path} has checkpoint format {version}; this version reads {FORMAT}")
        return
    if found or connection.execute("SELECT count(*) FROM sqlite_schema").get:
        raise FileFormatError(f"{path} is a database of another application")
    with connection:
        connection.execute(TABLES)
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", FORMAT)
