"""The checkpointer on PostgreSQL: LangGraph's own tables and reading, at one statement a put.

What it adds to LangGraph's saver: any number of calls run at once (that one does one at a time), a value is stored as
it was when the put began, listings hold nothing open, and the removals and the copy a server needs (`removal.py`).
Each put of a channel stores its whole value: a thread whose list of messages grows pays for the list with every turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from checkpoints.postgres import removal
from checkpoints.postgres.pool import Cursor, Pool
from checkpoints.postgres.rows import checkpoint_row, replaces, run_of, write_rows

_PUT = """
stored AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT %(thread_id)s, %(checkpoint_ns)s, *
    FROM unnest(%(channels)s::text[], %(versions)s::text[], %(types)s::text[], %(blobs)b::bytea[])
    WHERE EXISTS (SELECT 1 FROM held)
    ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING
), put AS (
    INSERT INTO checkpoints
        (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, run_id, checkpoint, metadata)
    SELECT %(thread_id)s, %(checkpoint_ns)s, %(checkpoint_id)s, %(parent_id)s, %(run_id)s,
           %(checkpoint)s::jsonb, %(metadata)s::jsonb
    WHERE EXISTS (SELECT 1 FROM held)
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id) DO UPDATE SET
        checkpoint = excluded.checkpoint, metadata = excluded.metadata, run_id = excluded.run_id, hidden = false
)"""
_PUT_WRITES = """
put AS (
    INSERT INTO checkpoint_writes
        (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, run_id, idx, channel, type, blob)
    SELECT %(thread_id)s, %(checkpoint_ns)s, %(checkpoint_id)s, %(task_id)s, %(task_path)s, %(run_id)s, *
    FROM unnest(%(places)s::int[], %(channels)s::text[], %(types)s::text[], %(blobs)b::bytea[])
    WHERE EXISTS (SELECT 1 FROM held)
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO {})"""
_NOBODY_ELSE = "SELECT 1"
_REPLACE = """
UPDATE SET channel = excluded.channel, type = excluded.type, blob = excluded.blob, run_id = excluded.run_id"""

_NEWEST_FIRST = " ORDER BY checkpoint_id DESC, thread_id DESC, checkpoint_ns DESC LIMIT %s"
_PAGE = 20
_BIG_READ = 256 * 1024


ATTEMPT = "__threadkeep_attempt"
"""In a config's `configurable`, beside `run_id`: which attempt at the run puts. It is not part of the metadata."""


class RunTakenOverError(RuntimeError):
    """Another process has taken this run over; what this one still has to store of it is not stored."""


class PostgresSaver(AsyncPostgresSaver):
    """Opened by `PostgresState.open_checkpointer`. A put returns when it is committed; so there is nothing to flush."""

    def __init__(self, pool: Pool, *, serde: SerializerProtocol | None = None, held: str | None = None) -> None:
        # None: of the types that rows name, only those the library knows to be safe are rebuilt (strict msgpack).
        super().__init__(pool.connections, serde=serde or JsonPlusSerializer(allowed_msgpack_modules=None))
        self._pool = pool
        self._held = held
        self._written = [0, 0]  # shared with clones of other allow-lists

    async def flush(self) -> None:
        """Returns at once: a commit is on the database's disk, as far as its `synchronous_commit` says so."""

    def written(self) -> tuple[int, int]:
        """How many checkpoints were stored since the saver was opened, and the bytes of those and their writes."""
        return self._written[0], self._written[1]

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[Cursor]:
        """For what is LangGraph's own here: a connection for each call, where the library takes turns on a lock."""
        async with self._pool.cursor() as cursor:
            yield cursor

    # -- writing ----------------------------------------------------------------------------------------------------

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        row = checkpoint_row(config, checkpoint, metadata, new_versions, self.serde)
        await self._put(config, _PUT, row._asdict())
        self._written[0] += 1
        self._written[1] += row.bytes()
        place = {"thread_id": row.thread_id, "checkpoint_ns": row.checkpoint_ns, "checkpoint_id": row.checkpoint_id}
        return {"configurable": place}

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        rows = write_rows(writes, self.serde)
        place = config["configurable"]
        query = _PUT_WRITES.format(_REPLACE if replaces(writes) else "NOTHING")
        task = {
            "thread_id": place["thread_id"],
            "checkpoint_ns": place.get("checkpoint_ns", ""),
            "checkpoint_id": place["checkpoint_id"],
            "task_id": task_id,
            "task_path": task_path,
            "run_id": run_of(config),
        }
        await self._put(config, query, {**task, **rows._asdict()})
        self._written[1] += sum(map(len, rows.blobs))

    async def _put(self, config: RunnableConfig, query: str, row: dict[str, Any]) -> None:
        """`RunTakenOverError`, and nothing stored, when the attempt that puts no longer has its run."""
        attempt = config["configurable"].get(ATTEMPT)
        held = _NOBODY_ELSE if self._held is None or attempt is None else self._held
        whole = f"WITH held AS ({held}), {query} SELECT count(*) AS held FROM held"
        row = {**row, "held_run_id": config["configurable"].get("run_id"), "held_attempt": attempt}

        async def work(cursor: Cursor) -> bool:
            await cursor.execute(whole, row)
            found = await cursor.fetchone()
            return found is not None and bool(found["held"])

        if not await self._pool.run(work):
            raise RunTakenOverError

    # -- reading ----------------------------------------------------------------------------------------------------

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        place = config["configurable"]
        where = "WHERE NOT hidden AND thread_id = %s AND checkpoint_ns = %s"
        arguments = [place["thread_id"], place.get("checkpoint_ns", "")]
        if checkpoint_id := get_checkpoint_id(config):
            where += " AND checkpoint_id = %s"
            arguments.append(checkpoint_id)
        else:
            where += " ORDER BY checkpoint_id DESC LIMIT 1"
        found = await self._rows(self.SELECT_SQL + where, arguments)
        return await self._tuple(found[0]) if found else None

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Newest first. Read page by page: no connection is held while somebody looks at what was found."""
        where, arguments = self._search_where(config, filter, before)
        where = f"{where} AND NOT hidden" if where else "WHERE NOT hidden"
        following, last = "", ()
        while limit is None or limit > 0:
            size = _PAGE if limit is None else min(_PAGE, limit)
            query = self.SELECT_SQL + where + following + _NEWEST_FIRST
            found = await self._rows(query, [*arguments, *last, size])
            for row in found:
                yield await self._tuple(row)
            if len(found) < size:
                return
            limit = None if limit is None else limit - size
            following = " AND (checkpoint_id, thread_id, checkpoint_ns) < (%s, %s, %s)"
            last = tuple(found[-1][name] for name in ("checkpoint_id", "thread_id", "checkpoint_ns"))

    async def _rows(self, query: str, arguments: Sequence[Any]) -> list[dict[str, Any]]:
        async def read(cursor: Cursor) -> list[dict[str, Any]]:
            await cursor.execute(query.encode(), arguments, binary=True)
            return await cursor.fetchall()

        return await self._pool.run(read)

    async def _tuple(self, row: dict[str, Any]) -> CheckpointTuple:
        if row["checkpoint"]["v"] < 4 and row["parent_checkpoint_id"]:
            return await self._old_tuple(row)
        blobs = [*(row["channel_values"] or ()), *(row["pending_writes"] or ())]
        if sum(len(part or b"") for blob in blobs for part in blob) > _BIG_READ:
            return await asyncio.to_thread(self._decoded, row)
        return self._decoded(row)

    async def _old_tuple(self, row: dict[str, Any]) -> CheckpointTuple:
        """A checkpoint of an older LangGraph keeps its pending sends with its parent: the library knows where."""
        place = {name: row[name] for name in ("thread_id", "checkpoint_ns", "checkpoint_id")}
        read = super().aget_tuple
        found = await self._pool.repeat(lambda: read({"configurable": place}))
        assert found is not None
        return found

    def _decoded(self, row: dict[str, Any]) -> CheckpointTuple:
        place = {"thread_id": row["thread_id"], "checkpoint_ns": row["checkpoint_ns"]}
        checkpoint: Checkpoint = row["checkpoint"]
        values = (checkpoint.get("channel_values") or {}) | self._load_blobs(row["channel_values"])
        parent = row["parent_checkpoint_id"]
        return CheckpointTuple(
            config={"configurable": {**place, "checkpoint_id": row["checkpoint_id"]}},
            checkpoint={**checkpoint, "channel_values": values},
            metadata=row["metadata"],
            parent_config={"configurable": {**place, "checkpoint_id": parent}} if parent else None,
            pending_writes=self._load_writes(row["pending_writes"]),
        )

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        read = super().aget_delta_channel_history
        return await self._pool.repeat(lambda: read(config=config, channels=channels))

    async def alatest_checkpoint_id(self, thread_id: str, checkpoint_ns: str = "") -> str | None:
        """The id of the checkpoint that `aget_tuple` would answer, without reading it."""
        query = """SELECT checkpoint_id FROM checkpoints WHERE NOT hidden AND thread_id = %s AND checkpoint_ns = %s
                   ORDER BY checkpoint_id DESC LIMIT 1"""
        found = await self._rows(query, (thread_id, checkpoint_ns))
        return found[0]["checkpoint_id"] if found else None

    async def athread_bytes(self, thread_id: str) -> dict[str, int]:
        """Bytes stored for a thread, as compressed by the database: `values`, `checkpoints`, `writes`; no indexes."""
        query = """
            SELECT (SELECT coalesce(sum(pg_column_size(blob)), 0) FROM checkpoint_blobs WHERE thread_id = %(id)s)
                       AS values,
                   (SELECT coalesce(sum(pg_column_size(checkpoint) + pg_column_size(metadata)), 0) FROM checkpoints
                       WHERE thread_id = %(id)s) AS checkpoints,
                   (SELECT coalesce(sum(pg_column_size(blob)), 0) FROM checkpoint_writes WHERE thread_id = %(id)s)
                       AS writes"""

        async def read(cursor: Cursor) -> dict[str, int]:
            await cursor.execute(query, {"id": thread_id})
            found = await cursor.fetchone()
            assert found is not None
            return {name: int(size) for name, size in found.items()}

        return await self._pool.run(read)

    # -- removing and copying: one transaction each -------------------------------------------------------------------

    async def adelete_thread(self, thread_id: str) -> None:
        await self.adelete_threads([thread_id])

    async def adelete_threads(self, thread_ids: Sequence[str]) -> None:
        """Delete many threads in one transaction, as a sweep of expired ones does."""
        await removal.delete_threads(self._pool, thread_ids)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await removal.delete_for_runs(self._pool, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await removal.copy_thread(self._pool, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await removal.prune(self._pool, thread_ids, strategy)
