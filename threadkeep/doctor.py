"""`python server.py doctor`: what a start would need, looked at one by one, with what to do about each problem.

It changes nothing, needs no running server, and does no harm beside one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import httpx

from threadkeep.config import Config, load_config
from threadkeep.errors import StartupError, ThreadkeepError
from threadkeep.masking import mask_for
from threadkeep.runs.prices import own_prices
from threadkeep.settings import Settings, read_settings
from threadkeep.storage.migrations import migration_scripts

Say = Callable[[str], None]

_LEAST_FREE_BYTES = 1_000_000_000
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    says: str
    remedy: str | None = None
    """What to do about it; None when all is well."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What only the server's own program can look at."""

    load_graphs: Callable[[Config], dict[str, Any]]
    """Raises `StartupError` as a start would."""
    check_model: Callable[[Config, float], list[Finding]]
    """From a configuration and seconds to wait; empty when the model is the project's own business."""


def add_doctor_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, dest="config_path", metavar="FILE", help="langgraph.json")
    parser.add_argument("--host", help="the address a server would listen on")
    parser.add_argument("--port", type=int, help="the port it would listen on")
    parser.add_argument("--no-model", action="store_true", help="do not call the model (a call costs a few tokens)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long a model may take to answer (20)")


def examine(parsed: argparse.Namespace, parts: Parts, say: Say) -> bool:
    """Say of each thing whether it is well; whether all of them are."""
    findings = list(_findings(parsed, parts, say))
    problems = sum(finding.remedy is not None for finding in findings)
    say("" if findings else "nothing to look at")
    say("All is well." if not problems else f"{problems} problem{'s' if problems > 1 else ''}.")
    return not problems


def _findings(parsed: argparse.Namespace, parts: Parts, say: Say) -> Iterator[Finding]:
    for finding in _looked_at(parsed, parts):
        # By now the configuration may have added keys to the environment.
        mask = mask_for(os.environ)
        say(f"{'ok     ' if finding.remedy is None else 'PROBLEM'}  {finding.what:<13} {mask(finding.says)}")
        if finding.remedy is not None:
            say(f"         {'':<13} -> {mask(finding.remedy)}")
        yield finding


def _looked_at(parsed: argparse.Namespace, parts: Parts) -> Iterator[Finding]:
    try:
        settings = read_settings(
            host=parsed.host, port=parsed.port, data_dir=parsed.data, config_path=parsed.config_path
        ).validate()
        own_prices(settings.model_prices)
    except StartupError as error:
        yield Finding("settings", "a server would not start", str(error))
        return
    where = "DATABASE_URI" if settings.database_uri else settings.data_dir
    yield Finding("settings", f"listen on {settings.host}:{settings.port}, data in {where}")
    yield from _project(settings, parts, None if parsed.no_model else parsed.seconds)
    if settings.database_uri:
        yield from _postgres(settings)
    else:
        yield from _folder(settings.data_dir)
        yield from _databases(settings.data_dir)
    yield _port(settings)


def _project(settings: Settings, parts: Parts, model_seconds: float | None) -> Iterator[Finding]:
    try:
        config = load_config(settings.config_path)
        config.apply_environment()
        settings.require_privacy(project_has_auth=config.auth is not None)
        yield Finding("configuration", str(settings.config_path))
        for warning in config.warnings:
            yield Finding("configuration", "is not followed in all", warning)
        yield Finding("graphs", ", ".join(parts.load_graphs(config)))
    except StartupError as error:
        yield Finding("configuration", "a server would not start", str(error))
        return
    if model_seconds is not None:
        yield from parts.check_model(config, model_seconds)


def _postgres(settings: Settings) -> Iterator[Finding]:
    from threadkeep.storage.postgres_facts import (  # noqa: PLC0415 - a data folder needs no driver
        CONNECTIONS_BESIDE_THE_POOL,
        facts,
    )

    try:
        found = facts(settings.database_uri)
    except ThreadkeepError as error:
        yield Finding("database", f"does not answer: {error}", "Start it, or correct DATABASE_URI.")
        return
    if found.read_only:
        yield Finding("database", f"{found.name} can only be read", "Let DATABASE_URI lead to the primary.")
    elif found.schema > found.newest_schema:
        words = f"{found.name} has schema {found.schema}, newer than {found.newest_schema}"
        yield Finding("database", words, "Start the newer Threadkeep again.")
    elif found.schema < found.newest_schema:
        words = f"{found.name} answers; schema {found.schema} becomes {found.newest_schema} at the next start"
        yield Finding("database", words)
    else:
        yield Finding("database", f"{found.name} answers; schema {found.schema}")
    each = settings.database_pool_size + CONNECTIONS_BESIDE_THE_POOL
    words = f"{found.connections} for all; one server takes up to {each}, so {found.connections // each} servers fit"
    few = found.connections < 2 * each
    remedy = "Raise max_connections, lower DATABASE_POOL_SIZE, or run one server only."
    yield Finding("connections", words, remedy if few else None)


def _folder(folder: Path) -> Iterator[Finding]:
    if not folder.exists():
        parent = next(above for above in folder.resolve().parents if above.exists())
        if os.access(parent, os.W_OK):
            yield Finding("data folder", f"{folder} will be made at the first start")
        else:
            yield Finding("data folder", f"{folder} cannot be made", f"Make it, or let this user write to {parent}.")
    elif not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("data folder", f"{folder} cannot be used", "Let this user read and write it, or name another.")
    elif folder.stat().st_mode & 0o077:
        yield Finding("data folder", f"{folder} can be read by others", f"chmod -R go-rwx {folder}")
    else:
        yield Finding("data folder", f"{folder} can be written, and by nobody else")
    free = shutil.disk_usage(next(path for path in (folder, *folder.resolve().parents) if path.exists())).free
    few = "Free some, or move the data folder: without space no run is accepted." if free < _LEAST_FREE_BYTES else None
    yield Finding("disk", f"{free / 1e9:,.1f} GB free", few)


def _databases(folder: Path) -> Iterator[Finding]:
    if not (folder / "server.db").is_file():
        return
    for path in sorted(folder.glob("*.db")):
        yield _database(path)


def _database(path: Path) -> Finding:
    connection: apsw.Connection | None = None
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(int(_ANSWER_SECONDS * 1000))
        version = int(connection.pragma("user_version"))
        [(found,), *_] = connection.execute("PRAGMA quick_check(1)").fetchall()
    except apsw.Error as error:
        found = str(error)
    finally:
        if connection is not None:
            connection.close()
    size = f"{path.stat().st_size:,} bytes"
    if found != "ok":
        return Finding(path.name, f"is damaged ({found})", "Stop the server and restore a backup (restore FOLDER).")
    newest = len(migration_scripts())
    if path.name == "server.db" and version > newest:
        return Finding(path.name, f"has schema {version}, newer than {newest}", "Start the newer Threadkeep again.")
    if path.name == "server.db" and version < newest:
        return Finding(path.name, f"sound, {size}; schema {version} becomes {newest} at the next start, after a copy")
    return Finding(path.name, f"sound, {size}")


def _port(settings: Settings) -> Finding:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((settings.host, settings.port))
        except OSError as error:
            return _who_listens(settings, error.strerror or str(error))
    return Finding("port", f"{settings.host}:{settings.port} is free")


def _who_listens(settings: Settings, reason: str) -> Finding:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    try:
        ready = httpx.get(f"{address}/ready", timeout=_ANSWER_SECONDS, trust_env=False)
        reasons = ready.json()["reasons"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        words = f"{settings.host}:{settings.port} cannot be used ({reason})"
        return Finding("port", words, "Stop what listens there, or choose another port with --port.")
    if reasons:
        return Finding("server", f"runs on {address}, and is not ready", " ".join(reasons))
    return Finding("server", f"runs on {address}, and is ready")
