"""Take over what LangGraph's own SQLite store left in the data folder, with its dates and times to live.

All of it in one transaction; then its file gets another name, so that it is kept and not taken over again. A start
that is cut off in between does it once more, which changes nothing: of one item the later version stays.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import orjson

from checkpoints.ownership import STOCK_STORE_FILE, owned_file
from checkpoints.store import table
from checkpoints.store.connections import run_alone
from checkpoints.store.values import encode

logger = logging.getLogger(__name__)

_COLUMNS = ("prefix", "key", "value", "created_at", "updated_at", "ttl_minutes", "expires_at")
_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Old:
    item: table.NewItem
    created_at: int
    updated_at: int
    expires_at: int | None


def take_over_stock(folder: Path, ours: Path) -> int:
    """How many items there were in the stock store's file, 0 when there is none. Nobody has either file open."""
    stock = folder / STOCK_STORE_FILE
    if not stock.exists():
        return 0
    with owned_file(stock):
        old = _read(stock)
        run_alone(ours, lambda connection: _store(connection, old))
        kept = _unused(stock)
        stock.rename(kept)
        _sync_folder(folder)
    logger.info("%d items of LangGraph's own store were taken over; its file is now %s", len(old), kept)
    return len(old)


def _read(stock: Path) -> list[_Old]:
    """Everything in the file, oldest change first. Read by the library that wrote it; closing it empties its log."""
    try:
        with closing(sqlite3.connect(stock)) as connection:
            present = {name for _, name, *_ in connection.execute("PRAGMA table_info(store)")}
            if not present:
                return []
            columns = ", ".join(name if name in present else f"NULL AS {name}" for name in _COLUMNS)
            found = connection.execute(f"SELECT {columns} FROM store ORDER BY updated_at, rowid").fetchall()
    except sqlite3.Error as error:
        raise OSError(
            f"{stock} holds items of LangGraph's own store and cannot be read ({error}). Move it out of the data "
            "folder to start without them."
        ) from error
    return [_old(*row) for row in found]


def _old(prefix: str, key: str, value: Any, created: Any, updated: Any, ttl: float | None, expires: Any) -> _Old:
    stored = encode(orjson.loads(value), key)
    item = table.NewItem(tuple(prefix.split(".")), key, stored, ttl)
    return _Old(item, _moment(created), _moment(updated), None if expires is None else _moment(expires))


def _store(connection: apsw.Connection, old: Iterable[_Old]) -> None:
    changes = count(table.last_change(connection) + 1)
    for one in old:
        table.put_as_it_was(
            connection, one.item, next(changes), created=one.created_at, updated=one.updated_at, expires=one.expires_at
        )


def _moment(text: str) -> int:
    time = datetime.fromisoformat(text)
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _START) // _MICROSECOND


def _unused(stock: Path) -> Path:
    for number in count(1):
        path = stock.with_name(f"{stock.stem}-imported{'' if number == 1 else f'-{number}'}.db")
        if not path.exists():
            return path
    raise AssertionError


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
