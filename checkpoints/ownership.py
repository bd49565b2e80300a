"""The data folder: private files, and one process as the owner of each.

SQLite lets many processes share a file, but ids and hot threads are kept in memory here, and older SQLite libraries
can corrupt a shared WAL. So the owner holds a lock beside each file as long as it is open, and a second opener is
refused at once instead of failing in the middle of a run. The kernel drops the lock when the process dies, however.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STOCK_SAVER_FILE = "checkpoints-stock.db"
STOCK_STORE_FILE = "store.db"
"""What LangGraph's own saver and store keep in the folder; named here, for who only looks whether they are there."""


class FileInUseError(RuntimeError):
    """Another opener owns this database file."""


def resolve_data_dir(data_dir: Path | None) -> Path:
    """Make the folder private (0700) if it is new; None means the environment's DATA_DIR, else ./data."""
    folder = data_dir if data_dir is not None else Path(os.environ.get("DATA_DIR") or "data")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def owned_file(path: Path) -> Iterator[Path]:
    """Hold the only claim on a database file, created with mode 0600; raises FileInUseError if it is taken.

    The lock stands in a file of its own, because closing any descriptor of a database file would drop the POSIX
    locks that SQLite itself holds on it.
    """
    lock_path = path.with_name(path.name + ".lock")
    lock = os.fdopen(os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
    if sys.platform != "win32":
        # A child that a tool forks shares the lock, and could outlive the owner.
        os.register_at_fork(after_in_child=lock.close)
    try:
        _lock(lock.fileno(), path)
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        yield path
    finally:
        lock.close()


def _lock(descriptor: int, path: Path) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - exists on Windows only

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - exists elsewhere only

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as taken:
        raise FileInUseError(
            f"{path} is already open in this or another process. One process owns a data folder: "
            "stop the other one, or give this one its own DATA_DIR."
        ) from taken
