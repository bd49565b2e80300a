"""Making the threads of LangGraph's own SQLite saver this server's: found, shown and gone on with.

Their checkpoints are copied by whoever calls this; here each thread gets an id that the API can ask for, and a row that
says what its newest checkpoint says. Done again, only what was missing is filled in.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.types import Interrupt

from threadkeep.persistence import OpenSaver
from threadkeep.storage.migrations import migrate
from threadkeep.storage.sqlite import SqliteConnection
from threadkeep.storage.thread_rows import Thread, ThreadStatus, find_thread, insert_thread, merge_metadata, set_status
from threadkeep.streams.frames import interrupt_record
from threadkeep.unserved import pending_nodes

IMPORTED_ID = "imported_thread_id"
"""Where a thread's metadata keeps the id it had before, when that is another."""

_SERVER_FILE = "server.db"
_BUSY_MILLISECONDS = 5_000
_OF_OLD_IDS = UUID("d60129d3-43a2-4729-acd8-cc0d573f8fff")  # part of what is stored: another one imports all anew
_ASKED = "__interrupt__"
_NO_RESULT = frozenset({_ASKED, "__resume__", "__error__", "__error_source_node__"})


@dataclass(slots=True)
class Adopted:
    """What was done to the server's list of threads, in threads."""

    listed: int = 0
    """New to it."""
    given_graph: int = 0
    """Listed before, without a graph until now."""
    without_graph: int = 0
    """Listed, and nobody knows the graph: of these no state can be shown."""


@dataclass(frozen=True, slots=True)
class _Newest:
    """What a thread's newest checkpoint says of it."""

    graph_id: str | None
    status: ThreadStatus = "idle"
    interrupts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def ids_here(old_ids: Collection[str]) -> dict[str, str]:
    """The id each of a file's threads gets here: its own if that is a UUID, else one made of it, always the same.

    A UUID in another spelling (without hyphens, in capitals) is that UUID, and may still be asked for as it was
    spelled. Two threads never get one id.
    """
    uuids = {old: _uuid(old) for old in old_ids}
    spellings = Counter(uuids.values())

    def here(old: str) -> str:
        uuid = uuids[old]
        if uuid is None or (uuid != old and spellings[uuid] > 1):
            return str(uuid5(_OF_OLD_IDS, old))
        return uuid

    return {old: here(old) for old in uuids}


def _uuid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None


async def adopt_threads(
    folder: Path,
    ids: Mapping[str, str],
    open_saver: OpenSaver,
    *,
    graph_id: str | None,
    now: str,
    tell: Callable[[int, int], None],
) -> Adopted:
    """List the imported threads, given by their old ids with their new ones, in a folder that the caller holds.

    A thread's graph is the one that its newest checkpoint names, else `graph_id`; one that is listed without a graph
    gets it too. One that has a graph stays as it is.
    """
    newest = await _newest_of(folder, list(ids.values()), open_saver, tell)
    adopted = Adopted()
    path = folder / _SERVER_FILE
    with closing(SqliteConnection(str(path))) as connection:
        connection.set_busy_timeout(_BUSY_MILLISECONDS)
        migrate(connection, path)
        with connection:
            for old_id, thread_id in ids.items():
                if thread_id in newest:
                    _adopt(connection, thread_id, old_id, newest[thread_id], graph_id, now, adopted)
    return adopted


def _adopt(
    connection: SqliteConnection,
    thread_id: str,
    old_id: str,
    newest: _Newest,
    graph_id: str | None,
    now: str,
    adopted: Adopted,
) -> None:
    thread = find_thread(connection, thread_id)
    named = newest.graph_id or graph_id
    of_graph = {} if named is None else {"graph_id": named}
    if thread is None:
        metadata = of_graph if thread_id == old_id else {**of_graph, IMPORTED_ID: old_id}
        status, interrupts = newest.status, newest.interrupts
        insert_thread(connection, Thread(thread_id, now, None, None, named, status, metadata, interrupts=interrupts))
        adopted.listed += 1
    elif thread.graph_id is not None:
        return
    elif named is not None:
        # Without a graph it has not run here, so that what the checkpoints say of it is all there is to say.
        connection.execute("UPDATE threads SET graph_id = ? WHERE thread_id = ?", (named, thread_id))
        merge_metadata(connection, thread, of_graph)
        set_status(
            connection,
            thread_id,
            status=newest.status,
            now=now,
            interrupts=newest.interrupts,
            error=None,
            preview=None,
        )
        adopted.given_graph += 1
    adopted.without_graph += named is None


async def _newest_of(
    folder: Path, thread_ids: Collection[str], open_saver: OpenSaver, tell: Callable[[int, int], None]
) -> dict[str, _Newest]:
    """By thread; one that has only checkpoints of subgraphs has none."""
    # A graph's own types are rebuilt when the graph reads them. Here they are not needed, and need not be warned of.
    logging.getLogger("langgraph.checkpoint.serde.jsonplus").setLevel(logging.ERROR)
    newest = {}
    async with open_saver(folder) as saver:
        for done, thread_id in enumerate(thread_ids):
            tell(done, len(thread_ids))
            found = await saver.aget_tuple({"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}})
            if found is not None:
                newest[thread_id] = _read(found)
    return newest


def _read(found: CheckpointTuple) -> _Newest:
    """The status is what a run or a state update that made this checkpoint would have left the thread with."""
    graph_id = found.metadata.get("graph_id")
    interrupts = _waiting(found)
    status: ThreadStatus = "interrupted" if interrupts or pending_nodes(found) else "idle"
    return _Newest(graph_id if isinstance(graph_id, str) else None, status, interrupts)


def _waiting(found: CheckpointTuple) -> dict[str, list[dict[str, Any]]]:
    """What tasks wait for, by task; one that has a result was answered."""
    writes = found.pending_writes or []
    finished = {task_id for task_id, channel, _ in writes if channel not in _NO_RESULT}
    waiting: dict[str, list[dict[str, Any]]] = {}
    for task_id, channel, asked in writes:
        if channel == _ASKED and task_id not in finished:
            items = asked if isinstance(asked, list | tuple) else [asked]
            waiting[task_id] = [interrupt_record(item) for item in items if isinstance(item, Interrupt)]
    return waiting
