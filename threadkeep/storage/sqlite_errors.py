"""What SQLite's errors mean to whoever asked."""

from __future__ import annotations

from pathlib import Path

import apsw

from threadkeep.errors import CorruptError, StorageFullError, ThreadkeepError, UnavailableError

STOPPING = "The server is stopping."


def translated(error: apsw.Error, path: Path) -> ThreadkeepError:
    """The error of ours, with what to do about it, for one of the file's."""
    match error:
        case apsw.FullError():
            return StorageFullError()
        case apsw.CorruptError() | apsw.NotADBError():
            return CorruptError(f"{path} is damaged ({error}). Stop the server and restore it from a backup.")
        case apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.PermissionsError():
            return UnavailableError(f"{path} cannot be written ({error}). Check its permissions and its disk.")
        case apsw.InterruptError():
            return UnavailableError(STOPPING)
        case apsw.BusyError() | apsw.LockedError():
            return UnavailableError(f"{path} is locked by another process ({error}).")
        case apsw.IOError():
            return UnavailableError(f"{path}: the disk failed ({error}).")
        case _:
            return ThreadkeepError(f"{path}: {error}")
