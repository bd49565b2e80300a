"""`python server.py keys new|list|revoke`: who may use a server that runs with API_KEYS=1. May run beside it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import apsw

from threadkeep.callers import SCOPES
from threadkeep.clock import Clock, timestamp
from threadkeep.errors import UnavailableError
from threadkeep.storage.api_keys import ApiKey, all_keys, make_key, revoke_key
from threadkeep.storage.connection import Connection
from threadkeep.storage.folder import hold_folder
from threadkeep.storage.migrations import migrate, migration_scripts
from threadkeep.storage.sqlite import SqliteConnection

Say = Callable[[str], None]

AddOption = Callable[[argparse.ArgumentParser], None]

_WAIT_MILLISECONDS = 5_000


def add_keys_parser(parser: argparse.ArgumentParser, add_data_option: AddOption) -> None:
    """The verbs and their options; each takes the data folder too."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    new = verbs.add_parser("new", help="make a key and show it, once")
    new.add_argument("owner", help="who the key's bearer is: whose threads are seen and made with it")
    scopes = "; ".join(f"{name}: {words}" for name, words in SCOPES.items())
    new.add_argument("--scope", action="append", choices=sorted(SCOPES), default=[], help=scopes)
    new.add_argument("--days", type=_days, help="after which it expires")
    new.add_argument("--note", default="", help="what it is for")
    listing = verbs.add_parser("list", help="all keys, without their secrets")
    revoke = verbs.add_parser("revoke", help="refuse a key from now on")
    revoke.add_argument("key_id", help="as `keys list` shows it")
    for verb in (new, listing, revoke):
        add_data_option(verb)


def keys(parsed: argparse.Namespace, database_uri: str, clock: Clock, say: Say) -> None:
    """Carry out one verb on the keys of the folder, or of the database where there is one.

    What it came to is said once it is stored: a reader who has gone undoes nothing.
    """
    with _database(database_uri) if database_uri else _folder(parsed.data) as connection:
        lines = _done(parsed, connection, clock.now())
    for line in lines:
        say(line)
    if parsed.verb == "new":
        # Beside the output, which is the key and nothing else: KEY=$(python server.py keys new ada)
        sys.stderr.write(
            "Shown once. Send it as `x-api-key`, or `Authorization: Bearer`, to a server with API_KEYS=1.\n"
        )


def _done(parsed: argparse.Namespace, connection: Connection, moment: datetime) -> list[str]:
    match parsed.verb:
        case "new":
            expires = None if parsed.days is None else timestamp(moment + timedelta(days=parsed.days))
            scopes = tuple(dict.fromkeys(parsed.scope))
            return [
                make_key(
                    connection,
                    parsed.owner,
                    scopes=scopes,
                    note=parsed.note,
                    now=timestamp(moment),
                    expires_at=expires,
                )
            ]
        case "list":
            return [_line(key) for key in all_keys(connection)]
        case _:
            revoke_key(connection, parsed.key_id, now=timestamp(moment))
            return [f"{parsed.key_id} is refused from now on."]


def _line(key: ApiKey) -> str:
    state = f"revoked {key.revoked_at}" if key.revoked_at else f"until {key.expires_at}" if key.expires_at else "valid"
    scopes = ",".join(key.scopes) or "-"
    return f"{key.key_id}  {key.owner}  {scopes}  {state}  made {key.created_at}  {key.note}".rstrip()


@contextmanager
def _database(uri: str) -> Iterator[Connection]:
    from threadkeep.storage.one_transaction import (  # noqa: PLC0415 - a data folder needs no driver
        one_transaction,
        postgres_commands,
    )

    with postgres_commands(uri) as raw, one_transaction(raw) as connection:
        yield connection


@contextmanager
def _folder(folder: Path) -> Iterator[Connection]:
    path = folder / "server.db"
    try:
        _bring_up_to_date(folder, path)
        connection = SqliteConnection(str(path))
        connection.set_busy_timeout(_WAIT_MILLISECONDS)
        connection.execute("PRAGMA synchronous=FULL")
        try:
            with connection:
                yield connection
        finally:
            connection.close()
    except apsw.Error as error:
        raise UnavailableError(f"{path} cannot be used: {error}") from error


def _bring_up_to_date(folder: Path, path: Path) -> None:
    """Make the file, or migrate it, which a running server (of an older version) does not bear."""
    if path.is_file():
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            if connection.pragma("user_version") == len(migration_scripts()):
                return
    with hold_folder(folder), closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        migrate(connection, path)
    path.chmod(0o600)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days < 36_500:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days")
    return days
