"""`python server.py doctor|check|backup|restore|prune|import|reindex|keys|move`: what an operator does to the data.

Exit code 0 when it is done, 1 when a check found a problem, 2 when it could not be done (with the reason).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from threadkeep import doctor, upkeep
from threadkeep.clock import SystemClock, timestamp
from threadkeep.errors import StartupError, ThreadkeepError
from threadkeep.import_command import ImportStock, add_import_options, import_threads
from threadkeep.key_commands import add_keys_parser, keys
from threadkeep.persistence import OpenSaver
from threadkeep.progress import Progress
from threadkeep.settings import read_settings
from threadkeep.storage.folder import hold_folder

NAMES = ("doctor", "check", "backup", "restore", "prune", "import", "reindex", "keys", "move")

_OF_FOLDERS = ("check", "backup", "restore", "import")
_INSTEAD = "a database is looked after by its own tools (pg_dump, pg_restore); unset it to work on the folder."
_EXIT_CODES = "Exit code: 0 done and well, 1 a problem was found, 2 it could not be done."

Tell = Callable[[int, int], None]
"""Hears how much of long work is done, and of how much."""
Reindex = Callable[[Path, Tell], Coroutine[Any, Any, int]]
"""From a data folder to how many of its store items were embedded anew."""
MoveState = Callable[[str, Path, bool, Tell], Coroutine[Any, Any, tuple[str, list[str]]]]
"""As in `moving.py`, which needs a driver that a data folder has no use for."""


def run_command(
    arguments: Sequence[str],
    *,
    import_stock: ImportStock,
    open_saver: OpenSaver,
    reindex: Reindex,
    move_state: MoveState,
    parts: doctor.Parts,
) -> int:
    parsed = _parser().parse_args(arguments)
    try:
        if parsed.command == "doctor":
            return 0 if doctor.examine(parsed, parts, _say) else 1
        if parsed.command == "move":
            return _move(parsed.data, move_state)
        return _carry_out(parsed, import_stock, open_saver, reindex)
    except (ThreadkeepError, OSError) as error:
        sys.stderr.write(f"threadkeep: {error}\n")
        return 2


def _carry_out(parsed: argparse.Namespace, import_stock: ImportStock, open_saver: OpenSaver, reindex: Reindex) -> int:
    folder: Path = parsed.data
    uri = read_settings().database_uri
    if uri and parsed.command in _OF_FOLDERS:
        raise StartupError(f"`{parsed.command}` is for a data folder, and DATABASE_URI is set: {_INSTEAD}")
    match parsed.command:
        case "check":
            return 0 if upkeep.check(folder, _say) else 1
        case "backup":
            upkeep.backup(folder, parsed.target, _say)
        case "restore":
            upkeep.restore(parsed.source, folder, _say)
        case "prune":
            before = timestamp(SystemClock().now() - timedelta(days=parsed.older_than_days))
            upkeep.prune(folder, uri, before=before, say=_say)
        case "import":
            config_path = read_settings(config_path=parsed.config_path).config_path
            import_threads(parsed, config_path, import_stock, open_saver, _say)
        case "reindex":
            if not uri:
                upkeep.database_files(folder)
            with hold_folder(folder):
                with Progress("Embedding store items") as progress:
                    embedded = asyncio.run(reindex(folder, progress.at))
                _say(f"{embedded} store items were embedded anew.")
        case "keys":
            keys(parsed, uri, SystemClock(), _say)
    return 0


def _move(folder: Path, move_state: MoveState) -> int:
    uri = read_settings().database_uri
    if not uri:
        raise StartupError("`move` needs DATABASE_URI: the database to move the data folder to.")
    from threadkeep.moving import move  # noqa: PLC0415 - a data folder needs no driver

    move(folder, uri, move_state, _say)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python server.py", description="Care of a data folder.", epilog=_EXIT_CODES)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, short: str, more: str = "") -> argparse.ArgumentParser:
        words = f"{short[0].upper()}{short[1:]}. {more}".strip()
        added = commands.add_parser(name, help=short, description=words, epilog=_EXIT_CODES)
        if name != "keys":
            _add_data_option(added)
        return added

    doctor.add_doctor_options(
        command(
            "doctor",
            "look at all that a start needs: settings, graphs, model, data folder, database, port",
            "Changes nothing; may run beside a server. The model is asked one small question.",
        )
    )
    command("check", "read every page and say whether all is sound", "May run beside a server.")
    backup = command("backup", "copy everything into a new folder", "May run beside a server.")
    backup.add_argument("target", type=Path, metavar="FOLDER", help="to make; must be empty when it is there")
    restore = command(
        "restore", "put a backup in place", "The server must be stopped. What is there is moved aside, not overwritten."
    )
    restore.add_argument("source", type=Path, metavar="BACKUP", help="the folder that `backup` made")
    prune = command(
        "prune",
        "delete threads nobody has touched for a while",
        "Stop the server of a data folder first. Checkpoints go when one next starts. Busy and asking threads stay.",
    )
    prune.add_argument("--older-than-days", type=_days, required=True, metavar="N")
    add_import_options(
        command(
            "import",
            "take over the threads of langgraph-checkpoint-sqlite's saver",
            "The server must be stopped. Done again, it adds what is missing and changes nothing else.",
        )
    )
    command(
        "move",
        "copy a data folder into an empty PostgreSQL database (DATABASE_URI), and compare all of it",
        "Its server must be stopped; the folder stays as it is. When it was cut off, start it again.",
    )
    command("reindex", "embed all store items as store.index of langgraph.json now says")
    add_keys_parser(command("keys", "who may use a server with API_KEYS=1"), _add_data_option)
    return parser


def _add_data_option(command: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get("DATA_DIR", "data"))
    command.add_argument("--data", type=Path, default=default, metavar="FOLDER", help=f"the data folder ({default})")


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < 36_500:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days")
    return days


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
