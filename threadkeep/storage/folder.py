"""The data folder: made private on first use, and held by one server at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from threadkeep.errors import StartupError


@dataclass(frozen=True, slots=True)
class HeldFolder:
    path: Path
    left_in_a_hurry: bool
    """The last process that held it did not let go of it: it was killed, or the machine stopped."""


@contextmanager
def hold_folder(folder: Path) -> Iterator[HeldFolder]:
    """Make the folder if need be and lock it; `StartupError` when it cannot be used or another server holds it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartupError(f"The data folder {folder} cannot be used: {error.strerror}.") from error
    file = os.fdopen(lock, "r+b", buffering=0)
    # A tool's forked child could outlive this process, and would hold the folder with it.
    os.register_at_fork(after_in_child=file.close)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 64, 0).decode(errors="replace").strip()
            raise StartupError(
                f"Another server (process {holder or 'unknown'}) is using the data folder {folder}. "
                "Stop it, or give this one a folder of its own with --data."
            ) from None
        left_in_a_hurry = os.fstat(lock).st_size > 0
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield HeldFolder(folder, left_in_a_hurry)
        os.ftruncate(lock, 0)
    finally:
        file.close()
