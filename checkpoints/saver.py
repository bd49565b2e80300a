"""The checkpointer: LangGraph's BaseCheckpointSaver on one file, at a cost that does not grow with the thread.

Only the surface stands here: which call waits for what. A clone (`with_allowlist`, `copy.copy`) differs in its
serializer alone and shares the open file. The synchronous methods are for graphs that run in threads of their own;
they block their caller.
"""

import asyncio
import copy
import inspect
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from checkpoints import removal, scanning
from checkpoints.file import CheckpointFile, checkpoint_tuple, names
from checkpoints.rows import Rows

_RANDOM_BITS = 40  # tell the same step of two branches apart; 2**23 steps are left before the sign bit


class SegmentSaver(BaseCheckpointSaver[int]):
    """Stores what each super-step added. Open it with `checkpoints.open_checkpointer`.

    A put returns when its rows are committed, which a killed process does not lose. `flush` returns when everything
    before it is also safe from a power cut.
    """

    def __init__(self, file: CheckpointFile, *, serde: Any = None) -> None:
        # None: of the types a file names, only those the library knows to be safe are rebuilt (strict msgpack).
        super().__init__(serde=serde or JsonPlusSerializer(allowed_msgpack_modules=None))
        self._file = file

    def get_next_version(self, current: Any, channel: None) -> Any:
        """The step in the high bits, and random bits below: two branches never share a version.

        A thread that another saver began has text for versions and keeps it, because they are compared.
        """
        if isinstance(current, str):
            return f"{int(current.split('.')[0]) + 1:032}.{random.random():.16f}"  # noqa: S311 - no secret
        step = int(current or 0) >> _RANDOM_BITS
        return (step + 1) << _RANDOM_BITS | random.getrandbits(_RANDOM_BITS)

    async def flush(self) -> None:
        """Return when everything put before is on the disk; concurrent callers share one fdatasync.

        Raises `DiskRefusedError`, from then on each time, when the disk does not take it.
        """
        await self._file.flush()

    @property
    def refused(self) -> str | None:
        """Why nothing gets to the disk any more, if it has refused."""
        return self._file.journal.wal.refused

    def written(self) -> tuple[int, int]:
        """How many checkpoints were stored since the file was opened, and the bytes of those and their writes."""
        return self._file.journal.written_checkpoints, self._file.journal.written_bytes

    # -- writing ----------------------------------------------------------------------------------------------------

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        put = _Put(self._file, self.serde, config, checkpoint, metadata, new_versions)
        rows = await self._file.attempt(put.record, put.hold)
        await self._file.journal.committed(rows)
        if rows.error is not None:
            raise rows.error
        return put.stored_config()

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        put = _Put(self._file, self.serde, config, checkpoint, metadata, new_versions)
        self._file.journal.commit_here(self._file.attempt_here(put.record, put.hold))
        return put.stored_config()

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        put = _PutWrites(self._file, self.serde, config, writes, task_id, task_path)
        rows = await self._file.attempt(put.record, put.hold)
        await self._file.journal.committed(rows)
        if rows.error is not None:
            raise rows.error

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        put = _PutWrites(self._file, self.serde, config, writes, task_id, task_path)
        self._file.journal.commit_here(self._file.attempt_here(put.record, put.hold))

    # -- reading ----------------------------------------------------------------------------------------------------

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        file = self._file
        found = await file.attempt(lambda: file.find(config, self.serde))
        if found is None:
            return None
        if found.is_big() and file.journal.on_loop:
            values = await asyncio.to_thread(found.decode, self.serde)
        else:
            values = found.decode(self.serde)
        with file.journal.lock:
            file.remember(found)
        return checkpoint_tuple(found, values, config if config["configurable"].get("checkpoint_id") else None)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        file = self._file
        found = file.attempt_here(lambda: file.find(config, self.serde))
        if found is None:
            return None
        values = found.decode(self.serde)
        with file.journal.lock:
            file.remember(found)
        return checkpoint_tuple(found, values, config if config["configurable"].get("checkpoint_id") else None)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Newest first within a thread; over all threads the latest made namespace first. Holds nothing open."""
        await self._file.journal.drained()
        scan = scanning.scan(self._file, self.serde, config, filter, before, limit)
        while page := await asyncio.to_thread(next, scan, None):
            for found in page:
                yield found

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        self._file.journal.drain()
        for page in scanning.scan(self._file, self.serde, config, filter, before, limit):
            yield from page

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        await self._file.journal.drained()
        return await asyncio.to_thread(scanning.delta_history, self._file, self.serde, config, channels)

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        self._file.journal.drain()
        return scanning.delta_history(self._file, self.serde, config, channels)

    async def alatest_checkpoint_id(self, thread_id: str, checkpoint_ns: str = "") -> str | None:
        """The id of the checkpoint that `aget_tuple` would answer, without reading it."""
        config: RunnableConfig = {"configurable": {"thread_id": thread_id, "checkpoint_ns": checkpoint_ns}}
        space = await self._file.attempt(lambda: self._file.space(config))
        return (space.newest_id or None) if space is not None else None

    async def athread_bytes(self, thread_id: str) -> dict[str, int]:
        """Bytes stored for a thread: `values`, `checkpoints` and `writes`, each counted once; indexes are not."""
        await self._file.journal.drained()
        return await asyncio.to_thread(scanning.thread_bytes, self._file, thread_id)

    # -- removing and copying: one transaction each, on a worker thread -----------------------------------------------

    async def adelete_thread(self, thread_id: str) -> None:
        await asyncio.to_thread(self.delete_thread, thread_id)

    def delete_thread(self, thread_id: str) -> None:
        removal.delete_threads(self._file, [thread_id])

    async def adelete_threads(self, thread_ids: Sequence[str]) -> None:
        """Delete many threads in one transaction, as a sweep of expired ones does."""
        await asyncio.to_thread(removal.delete_threads, self._file, list(thread_ids))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await asyncio.to_thread(self.delete_for_runs, run_ids)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        removal.delete_for_runs(self._file, self.serde, list(run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await asyncio.to_thread(self.copy_thread, source_thread_id, target_thread_id)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        removal.copy_thread(self._file, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await asyncio.to_thread(self.prune, thread_ids, strategy=strategy)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        removal.prune(self._file, self.serde, list(thread_ids), strategy)


# LangGraph asks for it at the start of every run, and works it out again each time unless it is there.
setattr(SegmentSaver.aput_writes, "__signature__", inspect.signature(SegmentSaver.aput_writes))  # noqa: B010 - mypy


@dataclass(slots=True)
class _Put:
    """One checkpoint on its way into the file."""

    file: CheckpointFile
    serde: SerializerProtocol
    config: RunnableConfig
    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    new_versions: ChannelVersions
    held: bool = False

    def record(self) -> Rows:
        space = self.file.space_to_write(self.config)
        return self.file.record(
            space,
            lambda: self.file.recorder.checkpoint(
                space, self.config, self.checkpoint, self.metadata, self.new_versions, self.serde
            ),
        )

    def hold(self) -> None:
        """Keep the values as they are now."""
        if not self.held:
            self.held = True
            self.checkpoint = copy.copy(self.checkpoint)
            self.checkpoint["channel_values"] = copy.deepcopy(self.checkpoint["channel_values"])

    def stored_config(self) -> RunnableConfig:
        thread_id, checkpoint_ns = names(self.config)
        return {
            "configurable": {
                "thread_id": thread_id,
                "checkpoint_ns": checkpoint_ns,
                "checkpoint_id": self.checkpoint["id"],
            }
        }


@dataclass(slots=True)
class _PutWrites:
    """One task's writes on their way into the file."""

    file: CheckpointFile
    serde: SerializerProtocol
    config: RunnableConfig
    writes: Sequence[tuple[str, Any]]
    task_id: str
    task_path: str
    held: bool = False

    def record(self) -> Rows:
        space = self.file.space_to_write(self.config)
        configurable = self.config["configurable"]
        run_id = (self.config.get("metadata") or {}).get("run_id") or configurable.get("run_id")
        task = (self.task_id, self.task_path)
        return self.file.record(
            space,
            lambda: self.file.recorder.writes(
                space, configurable["checkpoint_id"], self.writes, task, run_id, self.serde
            ),
        )

    def hold(self) -> None:
        """Keep the values as they are now."""
        if not self.held:
            self.held = True
            self.writes = copy.deepcopy(self.writes)
