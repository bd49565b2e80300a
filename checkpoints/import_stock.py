"""Bring over what LangGraph's own SQLite saver has stored, losing nothing.

Values are moved without being rebuilt: an object stays the bytes it was stored as, so no type has to be allowed and no
code of the file runs. Each thread appears whole, in one transaction; a thread that is already in the new file is left
alone, so an import that was cut off can be started again.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import ormsgpack
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from checkpoints import removal
from checkpoints.file import CheckpointFile, open_file
from checkpoints.ownership import STOCK_SAVER_FILE, owned_file, resolve_data_dir

logger = logging.getLogger(__name__)

OUR_FILE = "checkpoints.db"
_UNFINISHED = "\u0001importing\u0001"  # before the id of a thread that is not whole yet


@dataclass(slots=True)
class Imported:
    """What an import has done; `skipped` threads were in the new file before."""

    ids: dict[str, str]
    """The id that each thread of the stock saver's file has in the new one."""
    threads: int = 0
    checkpoints: int = 0
    skipped: int = 0


NewIds = Callable[[Collection[str]], dict[str, str]]
"""The ids that threads get, by those they had: no two the same, and the same each time."""


def _as_they_are(ids: Collection[str]) -> dict[str, str]:
    return {one: one for one in ids}


class _Verbatim:
    """Takes msgpack apart only as far as lists and dicts go; objects stay as they are stored."""

    def __init__(self, others: SerializerProtocol) -> None:
        self._others = others

    def dumps_typed(self, value: Any) -> tuple[str, bytes]:
        match value:
            case None:
                return "null", b""
            case bytes():
                return "bytes", value
            case bytearray():
                return "bytearray", bytes(value)
        return "msgpack", ormsgpack.packb(value, option=ormsgpack.OPT_NON_STR_KEYS | ormsgpack.OPT_REPLACE_SURROGATES)

    def loads_typed(self, typed: tuple[str, bytes]) -> Any:
        kind, data = typed
        if kind != "msgpack":
            return self._others.loads_typed(typed)
        return ormsgpack.unpackb(data, ext_hook=ormsgpack.Ext, option=ormsgpack.OPT_NON_STR_KEYS)


async def import_stock(
    data_dir: Path | None = None,
    source: Path | None = None,
    *,
    serde: SerializerProtocol | None = None,
    new_ids: NewIds = _as_they_are,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Imported:
    """Copy all threads of a stock saver's file (by default the one in the data folder) into ours.

    Both must be closed: FileInUseError otherwise. `serde` is needed only for values that are not plain msgpack, such
    as encrypted ones. Threads keep their ids unless `new_ids` gives them others. `tell` hears of each thread, from a
    worker thread. Raises FileNotFoundError if there is no such file.
    """
    folder = resolve_data_dir(data_dir)
    stock = source or folder / STOCK_SAVER_FILE
    if not stock.exists():
        raise FileNotFoundError(f"{stock}: no file of LangGraph's saver to import")
    verbatim = _Verbatim(serde or JsonPlusSerializer(allowed_msgpack_modules=None))
    with owned_file(stock):
        async with open_file(folder / OUR_FILE) as file:
            imported = await asyncio.to_thread(_import_all, file, stock, verbatim, new_ids, tell)
            await file.journal.flush()
    if stock.parent == folder:
        _marker(folder).touch(mode=0o600)
    return imported


def unimported(folder: Path) -> Path | None:
    """The stock saver's file of a data folder, if it has been written to since it was imported."""
    stock, marker = folder / STOCK_SAVER_FILE, _marker(folder)
    if not stock.exists() or (marker.exists() and marker.stat().st_mtime >= stock.stat().st_mtime):
        return None
    return stock


def _marker(folder: Path) -> Path:
    return folder / (STOCK_SAVER_FILE + ".imported")


def _import_all(
    file: CheckpointFile,
    stock: Path,
    serde: SerializerProtocol,
    new_ids: NewIds,
    tell: Callable[[int, int], None],
) -> Imported:
    known = {thread_id for _, thread_id, _ in file.attempt_here(file.reader.namespaces)}
    removal.delete_threads(file, [thread_id for thread_id in known if thread_id.startswith(_UNFINISHED)])
    with closing(sqlite3.connect(stock)) as connection:
        thread_ids = connection.execute("SELECT DISTINCT thread_id FROM checkpoints").fetchall()
        imported = Imported(new_ids([thread_id for (thread_id,) in thread_ids]))
        for done, (thread_id, new_id) in enumerate(imported.ids.items()):
            tell(done, len(thread_ids))
            if new_id in known:
                imported.skipped += 1
                continue
            imported.checkpoints += _import_thread(file, connection, thread_id, serde)
            imported.threads += 1
            removal.rename_thread(file, _UNFINISHED + thread_id, new_id)
    return imported


def _import_thread(
    file: CheckpointFile, connection: sqlite3.Connection, thread_id: str, serde: SerializerProtocol
) -> int:
    count = 0
    for checkpoint_ns, checkpoint_id, parent_id, kind, data, metadata in connection.execute(
        """SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata FROM checkpoints
           WHERE thread_id = ? ORDER BY checkpoint_id""",
        (thread_id,),
    ):
        target: Any = {"thread_id": _UNFINISHED + thread_id, "checkpoint_ns": checkpoint_ns}
        checkpoint = serde.loads_typed((kind, data)) | {"id": checkpoint_id}
        _record_checkpoint(file, {"configurable": target | {"checkpoint_id": parent_id}}, checkpoint, metadata, serde)
        count += 1
    for key, listed in _writes(connection, thread_id, serde):
        checkpoint_ns, checkpoint_id, *task = key
        target = {"thread_id": _UNFINISHED + thread_id, "checkpoint_ns": checkpoint_ns}
        _record_writes(file, {"configurable": target}, checkpoint_id, listed, (task[0], task[1], None), serde)
    file.journal.drain()
    return count


def _record_checkpoint(
    file: CheckpointFile, config: Any, checkpoint: Any, metadata: bytes | str | None, serde: SerializerProtocol
) -> None:
    def record() -> None:
        space = file.space_to_write(config)
        described: Any = json.loads(metadata) if metadata else {}
        # Every version counts as new: the stock saver stores each checkpoint whole, whatever its versions say.
        versions = checkpoint["channel_versions"]
        file.record(space, lambda: file.recorder.checkpoint(space, config, checkpoint, described, versions, serde))

    file.attempt_here(record)


def _record_writes(
    file: CheckpointFile,
    config: Any,
    checkpoint_id: str,
    listed: list[Any],
    task: tuple[str, str, None],
    serde: SerializerProtocol,
) -> None:
    def record() -> None:
        space = file.space_to_write(config)
        file.record(space, lambda: file.recorder.listed_writes(space, checkpoint_id, listed, task, serde))

    file.attempt_here(record)


def _writes(
    connection: sqlite3.Connection, thread_id: str, serde: SerializerProtocol
) -> Iterator[tuple[Any, list[Any]]]:
    """The writes of each task: `(checkpoint_ns, checkpoint_id, task_id, task_path)`, `[channel, index, value]`."""
    has_path = any(row[1] == "task_path" for row in connection.execute("PRAGMA table_info(writes)"))
    path = "task_path" if has_path else "''"
    rows = connection.execute(
        f"""SELECT checkpoint_ns, checkpoint_id, task_id, {path}, channel, idx, type, value FROM writes
            WHERE thread_id = ? ORDER BY 1, 2, 3, 4, idx""",  # noqa: S608 - a column's name or an empty text
        (thread_id,),
    )
    for key, group in groupby(rows, key=lambda row: row[:4]):
        yield key, [[channel, idx, serde.loads_typed((kind, data))] for *_, channel, idx, kind, data in group]
