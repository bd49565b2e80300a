"""Care of a data folder: check it, back it up while in use, restore it, prune it; each a command of `server.py`.

Copies are made by SQLite's own backup, never file by file. The server's file is copied before the checkpoints: then
what the copy calls finished is in the checkpoints too, and what it calls running is simply taken up where they stand.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw

from threadkeep.errors import CorruptError, StartupError, ThreadkeepError
from threadkeep.progress import Progress
from threadkeep.storage.folder import hold_folder
from threadkeep.storage.intents import decide_old_deletions
from threadkeep.storage.sqlite import SqliteConnection

Say = Callable[[str], None]

_SERVER_FILE = "server.db"
_PAGES_AT_A_TIME = 500
_STEPS_BETWEEN_TICKS = 100_000
_BUSY_MILLISECONDS = 5_000
_PRUNED_AT_A_TIME = 500


def database_files(folder: Path) -> list[Path]:
    """The folder's databases, the server's own first; `StartupError` when it is not a data folder."""
    if not (folder / _SERVER_FILE).is_file():
        raise StartupError(f"{folder} is not a data folder: it has no {_SERVER_FILE}.")
    others = sorted(path for path in folder.glob("*.db") if path.name != _SERVER_FILE)
    return [folder / _SERVER_FILE, *others]


def check(folder: Path, say: Say) -> bool:
    """Whether every page of every database is sound. Reads only, so a running server is not disturbed."""
    sound = True
    for path in database_files(folder):
        problems = list(_problems(path))
        sound = sound and not problems
        say(f"{path.name}: {'ok' if not problems else 'DAMAGED'} ({path.stat().st_size:,} bytes)")
        for problem in problems:
            say(f"  {problem}")
    return sound


def _problems(path: Path) -> Iterator[str]:
    try:
        with _opened(path) as connection, Progress(f"Checking {path.name}") as progress:
            connection.set_progress_handler(progress.ticks, _STEPS_BETWEEN_TICKS)
            for (line,) in connection.execute("PRAGMA integrity_check(20)"):
                if line != "ok":
                    yield str(line)
            for table, *_ in connection.execute("PRAGMA foreign_key_check"):
                yield f"a row of {table} refers to nothing"
    except apsw.Error as error:
        yield str(error)


def backup(folder: Path, target: Path, say: Say) -> None:
    """Copy all databases into a new folder, consistently, also while a server is using them."""
    files = database_files(folder)
    if target.exists() and any(target.iterdir()):
        raise StartupError(f"{target} is not empty; name a folder that does not exist yet.")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in files:
        _copy(path, target / path.name, say)
    say(f"Backed up to {target}. Restore with: python server.py restore {target} --data FOLDER")


def restore(source: Path, folder: Path, say: Say) -> None:
    """Put a backup where a server will look for it; what is there is kept beside it, never overwritten."""
    files = database_files(source)
    if folder.resolve() in source.resolve().parents:
        raise StartupError(f"{source} is inside {folder}, which is to be moved aside; move the backup out of it first.")
    for path in files:
        if problems := list(_problems(path)):
            raise CorruptError(f"The backup {path} is damaged: {problems[0]}. Nothing was changed.")
    with hold_folder(folder):
        present = [path for path in folder.iterdir() if path.name != "server.lock"]
        if present:
            aside = _unused(folder.with_name(f"{folder.name}.before-restore"))
            aside.mkdir(mode=0o700)
            for path in present:
                shutil.move(path, aside / path.name)
            say(f"What was in {folder} is now in {aside}.")
        for path in files:
            _copy(path, folder / path.name, say)
    say(f"Restored {folder} from {source}.")


def prune(folder: Path, database_uri: str, *, before: str, say: Say) -> int:
    """Delete ended threads that nobody touched since; how many that were. A data folder's server must be stopped."""
    pruned = _prune_database(database_uri, before) if database_uri else _prune_folder(folder, before)
    # The checkpoints are the checkpointer's: it deletes them when the server next starts, before it serves.
    say(f"{pruned} threads will be deleted, with their runs and checkpoints, when the server next starts.")
    return pruned


def _prune_folder(folder: Path, before: str) -> int:
    pruned, decided = 0, 1
    with hold_folder(folder), _opened(folder / _SERVER_FILE, write=True) as connection:
        while decided:
            with connection:
                decided = decide_old_deletions(connection, before=before, limit=_PRUNED_AT_A_TIME)
            pruned += decided
    return pruned


def _prune_database(uri: str, before: str) -> int:
    from threadkeep.storage.one_transaction import (  # noqa: PLC0415 - a data folder needs no driver
        one_transaction,
        postgres_commands,
    )

    pruned, decided = 0, 1
    with postgres_commands(uri) as raw:
        while decided:
            with one_transaction(raw) as connection:
                decided = decide_old_deletions(connection, before=before, limit=_PRUNED_AT_A_TIME)
            pruned += decided
    return pruned


def _copy(path: Path, target: Path, say: Say) -> None:
    unfinished = target.with_name(f"{target.name}.part")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        with _opened(path) as source, _opened(unfinished, write=True) as copy:
            with Progress(f"Copying {path.name}") as progress, copy.backup("main", source, "main") as task:
                while not task.done:
                    task.step(_PAGES_AT_A_TIME)
                    progress.at(task.page_count - task.remaining, task.page_count)
            copy.execute("PRAGMA journal_mode=DELETE")
    except apsw.Error as error:
        raise ThreadkeepError(f"{path} could not be copied: {error}") from error
    descriptor = os.open(unfinished, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    unfinished.replace(target)
    say(f"{path.name}: {target.stat().st_size:,} bytes")


class _opened:  # noqa: N801 - a context manager that reads like a function
    """A connection that is closed at the end of its block (apsw's own block is a transaction)."""

    def __init__(self, path: Path, *, write: bool = False) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE if write else apsw.SQLITE_OPEN_READONLY
        self._connection = SqliteConnection(str(path), flags=flags)
        self._connection.set_busy_timeout(_BUSY_MILLISECONDS)

    def __enter__(self) -> SqliteConnection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _unused(path: Path) -> Path:
    number = 1
    candidate = path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
