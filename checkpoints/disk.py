"""Whether the disk has what was committed: an fdatasync of the write-ahead log makes every commit in it durable.

Once one has failed, nobody can tell what the disk has: the kernel counts the pages as written, and the next fdatasync
would say that all is well. So none is believed from then on, and the log is left as it is (copied into the file, it
might be copied from pages that were lost). Who opens the file anew finds each commit whole or not at all.
"""

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw

logger = logging.getLogger(__name__)


class DiskRefusedError(OSError):
    """The disk did not keep what was written; open the file anew to find out what it has."""


class Wal:
    """A database's log on the disk; `sync` stands for its fdatasync, for a file system that is not the machine's.

    Its file has to be there already. All methods may be called from any thread.
    """

    def __init__(self, path: Path, sync: Callable[[], None] | None = None) -> None:
        self.refused: str | None = None
        """Why nothing gets to the disk any more."""
        self._path = path
        self._descriptor: int | None = None
        if sync is None:
            self._descriptor = descriptor = _opened(path)
            sync = partial(getattr(os, "fdatasync", os.fsync), descriptor)
        self._sync = sync

    def sync(self) -> None:
        """Return when the disk has every commit; raises `DiskRefusedError`, from the first time on always."""
        self.require()
        try:
            self._sync()
        except OSError as error:
            self.refuse(error)
        self.require()

    def require(self) -> None:
        """Raises `DiskRefusedError` when the disk has refused."""
        if self.refused is not None:
            raise DiskRefusedError(self.refused)

    def refuse(self, error: Exception) -> None:
        """The disk did not take something of the log."""
        self.refused = (
            f"The disk did not take what was written to {self._path.name}: {error}. Look after it, then start the "
            "server again (or open the file anew): what is read then is on the disk."
        )
        logger.error(self.refused)

    def close(self, last: apsw.Connection) -> None:
        """Before the last connection is closed, which would copy the log into the file."""
        if self.refused is not None:
            last.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        if self._descriptor is not None:
            os.close(self._descriptor)


def was_refused(error: Exception) -> bool:
    """Whether SQLite itself was told by the disk that a sync failed."""
    return getattr(error, "extendedresult", None) == apsw.SQLITE_IOERR_FSYNC


def _opened(path: Path) -> int:
    """The log's file. The folder is synced once, so that the files' names survive too."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return os.open(path.with_name(path.name + "-wal"), os.O_RDWR)
