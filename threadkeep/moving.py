"""`python server.py move`: a data folder's threads, runs, keys and items into an empty PostgreSQL database.

The folder stays as it is. Started again, a move that was cut off copies what is missing; one that was finished copies
nothing, because servers may have changed the database since, and only compares.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path

import apsw
import psycopg

from threadkeep.errors import StartupError, ThreadkeepError
from threadkeep.progress import Progress
from threadkeep.storage import moving_rows
from threadkeep.storage.folder import hold_folder
from threadkeep.storage.migrations import migrate
from threadkeep.storage.moving_rows import Raw
from threadkeep.storage.one_transaction import postgres_commands

Say = Callable[[str], None]
Tell = Callable[[int, int], None]
MoveState = Callable[[str, Path, bool, Tell], Coroutine[None, None, tuple[str, list[str]]]]
"""Copies, if it is told to, and compares a folder's checkpoints and store items: words for that, and what differs.
`ValueError` for what cannot be copied."""

_SERVER_FILE = "server.db"
_CARRIED = {_SERVER_FILE, "checkpoints.db", "items.db"}


def move(folder: Path, uri: str, move_state: MoveState, say: Say) -> None:
    """Copy all, compare all, and say so; `ThreadkeepError` when the database is another's or not the same after it."""
    path = folder / _SERVER_FILE
    if not path.is_file():
        raise StartupError(f"{folder} is not a data folder: it has no {_SERVER_FILE}.")
    with hold_folder(folder), closing(apsw.Connection(str(path))) as file, postgres_commands(uri) as raw:
        migrate(file, path)
        moving_rows.check_tables(file)
        if not _begun(raw, folder):
            _require_empty(raw)
            raw.execute("CREATE TABLE moved_from (folder TEXT NOT NULL, finished BOOLEAN NOT NULL DEFAULT false)")
            raw.execute("INSERT INTO moved_from VALUES (%s)", (str(folder.resolve()),))
        finished = _finished(raw)
        if finished:
            say("This folder was moved before; nothing is copied.")
        else:
            _copy_rows(file, raw)
        states = _move_state(uri, folder, move_state, say, copy=not finished)
        if different := [*_compare_rows(file, raw, say), *states]:
            raise ThreadkeepError(f"Not the same in the database: {'; '.join(different)}.")
        raw.execute("UPDATE moved_from SET finished = true")
    for other in sorted(one.name for one in folder.glob("*.db") if one.name not in _CARRIED):
        say(f"{other} was left where it is.")
    say(f"All of {folder} is in the database. Keep the folder until you are sure; servers with DATABASE_URI ignore it.")


def _begun(raw: Raw, folder: Path) -> bool:
    if raw.execute("SELECT to_regclass('moved_from')").fetchone() == (None,):
        return False
    row = raw.execute("SELECT folder FROM moved_from").fetchone()
    if row is not None and row[0] != str(folder.resolve()):
        raise StartupError(f"{row[0]} was moved to this database; {folder} needs one of its own.")
    return row is not None


def _finished(raw: Raw) -> bool:
    return raw.execute("SELECT finished FROM moved_from").fetchone() == (True,)


def _require_empty(raw: Raw) -> None:
    full = moving_rows.full_tables(raw)
    for state in ("checkpoints", "store_item"):
        there = raw.execute("SELECT to_regclass(%s)", (f"public.{state}",)).fetchone() != (None,)
        if there and raw.execute(f"SELECT 1 FROM public.{state} LIMIT 1").fetchone() is not None:  # noqa: S608 - names of ours
            full.append(state)
    if full:
        raise StartupError(
            f"The database is not empty ({', '.join(full)}); a data folder is moved into one that no server has used."
        )


def _copy_rows(file: apsw.Connection, raw: Raw) -> None:
    for name in moving_rows.TABLES:
        with Progress(f"Moving {name}") as progress:
            moving_rows.copy_table(file, raw, name, progress.at)
    moving_rows.finish(file, raw)


def _move_state(uri: str, folder: Path, move_state: MoveState, say: Say, *, copy: bool) -> list[str]:
    """What is not the same there."""
    with Progress(f"{'Moving' if copy else 'Comparing'} checkpoints and store items") as progress:
        try:
            words, different = asyncio.run(move_state(uri, folder, copy, progress.at))
        except (ValueError, RuntimeError, psycopg.Error) as error:
            raise ThreadkeepError(f"The move is not finished: {error}") from error
    say(words)
    return different


def _compare_rows(file: apsw.Connection, raw: Raw, say: Say) -> list[str]:
    """The tables that are not the same there."""
    different = []
    for name in moving_rows.TABLES:
        here, there = moving_rows.sum_here(file, name), moving_rows.sum_there(file, raw, name)
        say(f"{name}: {here.rows} rows, {'the same there' if here == there else f'NOT the same there ({there.rows})'}")
        if here != there:
            different.append(name)
    return different
