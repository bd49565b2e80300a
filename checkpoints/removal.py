"""Deleting, pruning and copying: each one transaction, and done again it changes nothing.

All of it runs on a worker thread while commits pause (`Journal.alone`), then the threads it touched are read anew.
Removing a checkpoint never takes what another one still needs: values that others refer to stay, and an ancestor
that a surviving checkpoint's DeltaChannel is replayed from is only hidden.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apsw
from langgraph.checkpoint.serde.base import SerializerProtocol

from checkpoints import schema
from checkpoints.file import CheckpointFile
from checkpoints.reading import Reader, Skeleton, decode_writes, list_ranges
from checkpoints.segments import pairs


@contextmanager
def _rewriting(file: CheckpointFile, touched: set[int]) -> Iterator[tuple[apsw.Connection, Reader]]:
    """One transaction on a file that stands still; what is remembered of `touched` namespaces is dropped after it."""
    with file.journal.alone() as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection, Reader(connection, lambda: None)
        _forget(file, touched)  # what was put is not to be read from memory any more
        connection.execute("COMMIT")
        _forget(file, touched)  # what was read since may be gone
        with file.journal.lock:
            file.journal.count_commit()


def _forget(file: CheckpointFile, touched: set[int]) -> None:
    with file.journal.lock:
        file.hot.forget(touched)


def delete_threads(file: CheckpointFile, thread_ids: Sequence[str]) -> None:
    """Remove everything these threads have stored."""
    touched: set[int] = set()
    with _rewriting(file, touched) as (connection, reader):
        for thread_id in thread_ids:
            touched |= _delete_thread(connection, reader, thread_id)


def _delete_thread(connection: apsw.Connection, reader: Reader, thread_id: str) -> set[int]:
    """Gives the namespaces it had."""
    spaces = {namespace for namespace, *_ in reader.namespaces(str(thread_id))}
    for namespace in spaces:
        _delete_namespace(connection, namespace)
    return spaces


def _delete_namespace(connection: apsw.Connection, namespace: int) -> None:
    for statement in (
        "DELETE FROM body WHERE id IN (SELECT body FROM entry WHERE namespace = ?)",
        "DELETE FROM body WHERE id IN (SELECT body FROM block WHERE namespace = ?)",
        "DELETE FROM entry WHERE namespace = ?",
        "DELETE FROM block WHERE namespace = ?",
        "DELETE FROM run WHERE namespace = ?",
        "DELETE FROM namespace WHERE id = ?",
    ):
        connection.execute(statement, (namespace,))


def delete_for_runs(file: CheckpointFile, serde: SerializerProtocol, run_ids: Collection[str]) -> None:
    """Remove the checkpoints these runs made, and the writes they left on checkpoints that stay.

    The thread's latest checkpoint is then as it was before the runs: pending interrupts and tasks included.
    """
    runs = {str(run_id) for run_id in run_ids}
    touched: set[int] = set()
    with _rewriting(file, touched) as (connection, reader):
        for run_id in runs:
            touched.update(
                row[0] for row in connection.execute("SELECT namespace FROM run WHERE run_id = ?", (run_id,))
            )
        for namespace in touched:
            skeletons = list(reader.skeletons(namespace, serde))
            gone = {one.checkpoint_id for one in skeletons if str(one.metadata.get("run_id")) in runs}
            staying = {checkpoint_id for _, checkpoint_id in reader.checkpoint_ids([namespace])} - gone
            left = [one for one in skeletons if one.checkpoint_id in staying]
            _delete_writes_of_runs(connection, namespace, left, runs, serde)
            _remove(connection, namespace, skeletons, gone)
        connection.executemany("DELETE FROM run WHERE run_id = ?", [(run_id,) for run_id in runs])


def _delete_writes_of_runs(
    connection: apsw.Connection,
    namespace: int,
    left: Sequence[Skeleton],
    runs: Collection[str],
    serde: SerializerProtocol,
) -> None:
    """Writes that a child which is left was made from stay: a DeltaChannel may replay them."""
    consumed = {one.parent_id for one in left}
    for checkpoint_id in [one.checkpoint_id for one in left if one.checkpoint_id not in consumed]:
        row: Any
        for row in connection.execute(
            """SELECT body, type, data FROM entry JOIN body ON body.id = entry.body
               WHERE namespace = ? AND checkpoint_id = ? AND ordinal > 0""",
            (namespace, checkpoint_id),
        ).fetchall():
            body, kind, data = row
            if str(decode_writes(kind, data, serde)[2]) in runs:
                connection.execute("DELETE FROM body WHERE id = ?", (body,))
                connection.execute(
                    "DELETE FROM entry WHERE namespace = ? AND checkpoint_id = ? AND ordinal = ?",
                    (namespace, checkpoint_id, body),
                )


def prune(file: CheckpointFile, serde: SerializerProtocol, thread_ids: Sequence[str], strategy: str) -> None:
    """`keep_latest` keeps the latest checkpoint of each namespace with its writes; `delete` keeps nothing."""
    if strategy in ("delete", "delete_all"):
        delete_threads(file, thread_ids)
        return
    if strategy != "keep_latest":
        raise ValueError(f"unknown pruning strategy {strategy!r}: keep_latest or delete")
    touched: set[int] = set()
    with _rewriting(file, touched) as (connection, reader):
        for thread_id in thread_ids:
            for namespace, *_ in reader.namespaces(str(thread_id)):
                touched.add(namespace)
                latest = reader.newest_id(namespace)
                skeletons = list(reader.skeletons(namespace, serde))
                _remove(connection, namespace, skeletons, {one.checkpoint_id for one in skeletons} - {latest})


def _remove(connection: apsw.Connection, namespace: int, skeletons: Sequence[Skeleton], gone: Collection[str]) -> None:
    """Remove checkpoints with their writes, hide those still replayed from, and drop values nobody refers to."""
    replayed = _replayed(skeletons, gone)
    for checkpoint_id in gone:
        key = (namespace, checkpoint_id)
        if checkpoint_id in replayed:
            connection.execute(
                "UPDATE OR REPLACE entry SET ordinal = ? WHERE namespace = ? AND checkpoint_id = ? AND ordinal = 0",
                (schema.HIDDEN, *key),
            )
            continue
        which = "namespace = ? AND checkpoint_id = ?"
        connection.execute(f"DELETE FROM body WHERE id IN (SELECT body FROM entry WHERE {which})", key)  # noqa: S608
        connection.execute(f"DELETE FROM entry WHERE {which}", key)  # noqa: S608
    _sweep(
        connection,
        namespace,
        [one for one in skeletons if one.checkpoint_id not in gone or one.checkpoint_id in replayed],
    )


def _replayed(skeletons: Sequence[Skeleton], gone: Collection[str]) -> set[str]:
    """The ancestors that surviving checkpoints rebuild a DeltaChannel from: back to where its value is stored."""
    by_id = {one.checkpoint_id: one for one in skeletons}
    needed: set[str] = set()
    for one in skeletons:
        if one.checkpoint_id in gone:
            continue
        for channel in one.metadata.get("counters_since_delta_snapshot") or ():
            current: Skeleton | None = one
            while current is not None and current.refs.get(channel, (None, None))[1] is None:
                current = by_id.get(current.parent_id or "")
                if current is None:
                    break
                needed.add(current.checkpoint_id)
    return needed


def _sweep(connection: apsw.Connection, namespace: int, kept: Sequence[Skeleton]) -> None:
    used = _positions(kept)
    unused = []
    for position, length, body in connection.execute(
        "SELECT position, length, body FROM block WHERE namespace = ? ORDER BY position", (namespace,)
    ):
        while used and used[-1][1] <= position:
            used.pop()
        if not used or used[-1][0] >= position + length:
            unused.append((namespace, position, body))
    connection.executemany("DELETE FROM block WHERE namespace = ? AND position = ?", [one[:2] for one in unused])
    connection.executemany("DELETE FROM body WHERE id = ?", [one[2:] for one in unused])


def _positions(kept: Sequence[Skeleton]) -> list[list[int]]:
    """What these checkpoints refer to, as ranges that do not overlap, the first one last."""
    ranges: set[tuple[int, int]] = set()
    for one in kept:
        for _, ref in one.refs.values():
            if isinstance(ref, int):
                ranges.add((ref, ref + 1))
            else:
                ranges.update(pairs(list_ranges(ref) or ()))
    merged: list[list[int]] = []
    for start, stop in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], stop)
        else:
            merged.append([start, stop])
    return merged[::-1]


def copy_thread(file: CheckpointFile, source: str, target: str) -> None:
    """Copy all checkpoints, values and writes. The copy stands alone: removing one leaves the other.

    Raises ValueError if the target has checkpoints that the source has not; if it has them all, it is a copy already.
    """
    touched: set[int] = set()
    with _rewriting(file, touched) as (connection, reader):
        spaces = reader.namespaces(str(source))[::-1]
        there = _checkpoints(reader, target)
        if there:
            if not there >= _checkpoints(reader, source):
                raise ValueError(f"thread {target} has checkpoints of its own; copy into a new thread")
            return
        touched |= _delete_thread(connection, reader, target)  # what is left of one whose runs were all removed
        for namespace, _, checkpoint_ns in spaces:
            copy = next(file.space_ids)
            connection.execute("INSERT INTO namespace VALUES (?, ?, ?)", (copy, str(target), checkpoint_ns))
            last = _copy_rows(connection, namespace, copy, next(file.body_ids))
            file.skip_bodies(last)


def _checkpoints(reader: Reader, thread_id: str) -> set[tuple[str, str]]:
    spaces = {namespace: ns for namespace, _, ns in reader.namespaces(str(thread_id))}
    return {(spaces[namespace], id) for namespace, id in reader.checkpoint_ids(list(spaces))} if spaces else set()


def _copy_rows(connection: apsw.Connection, source: int, target: int, first_body: int) -> int:
    """Copy a namespace's rows; bodies get new ids from `first_body` on in their old order. Returns the last one."""
    bound: dict[str, Any] = {"source": source, "target": target, "first": first_body}
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS moved (old INTEGER PRIMARY KEY, new INTEGER)")
    connection.execute("DELETE FROM moved")
    connection.execute(
        """INSERT INTO moved SELECT body, :first - 1 + row_number() OVER (ORDER BY body) FROM
               (SELECT body FROM entry WHERE namespace = :source
                UNION SELECT body FROM block WHERE namespace = :source)""",
        bound,
    )
    connection.execute("INSERT INTO body SELECT new, type, data FROM moved JOIN body ON id = old")
    connection.execute(
        """INSERT INTO entry SELECT :target, checkpoint_id, CASE WHEN ordinal > 0 THEN new ELSE ordinal END, new
           FROM entry JOIN moved ON body = old WHERE namespace = :source""",
        bound,
    )
    connection.execute(
        "INSERT INTO block SELECT :target, position, length, new FROM block JOIN moved ON body = old "
        "WHERE namespace = :source",
        bound,
    )
    last: int | None = connection.execute("SELECT max(new) FROM moved").get
    return last or first_body


def rename_thread(file: CheckpointFile, old: str, new: str) -> None:
    """Give a thread its id: what was stored under `old` appears whole."""
    touched: set[int] = set()
    with _rewriting(file, touched) as (connection, reader):
        touched.update(namespace for namespace, *_ in reader.namespaces(old))
        connection.execute("UPDATE namespace SET thread_id = ? WHERE thread_id = ?", (new, old))
