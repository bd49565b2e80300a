"""What a checkpointer must answer: LangGraph's InMemorySaver, with the removals it lacks written out plainly.

`Compared` puts everything into both and compares whatever is read, type by type. A graph that runs on it runs on the
answers of the saver under test.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from checkpoints.saver import SegmentSaver


class Reference(InMemorySaver):
    """InMemorySaver whose removed checkpoints are passed over, but still replayed from."""

    def __init__(self) -> None:
        super().__init__(serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        self.removed: set[tuple[str, str, str]] = set()
        self.copied: set[tuple[str, str, str]] = set()  # no run made them where they are
        # For each checkpoint and index, who wrote there what, one over the other: the last one stands.
        self.written: dict[tuple[tuple[str, str, str], tuple[str, int]], list[tuple[str, Any]]] = {}

    def get_tuple(self, config: Any) -> CheckpointTuple | None:
        configurable = config["configurable"]
        thread, ns = configurable["thread_id"], configurable.get("checkpoint_ns", "")
        wanted = configurable.get("checkpoint_id")
        if wanted:
            return None if (thread, ns, wanted) in self.removed else super().get_tuple(config)
        there = [id for id in self.storage[thread][ns] if (thread, ns, id) not in self.removed]
        return super().get_tuple(configured(thread, ns, max(there))) if there else None

    def list(self, config: Any, **options: Any) -> Iterator[CheckpointTuple]:
        limit = options.pop("limit", None)
        found = [one for one in super().list(config, **options) if key_of(one) not in self.removed]
        found.sort(key=lambda one: one.config["configurable"]["checkpoint_id"], reverse=True)
        yield from found[:limit]

    def put_writes(self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        configurable = config["configurable"]
        key = (configurable["thread_id"], configurable.get("checkpoint_ns", ""), configurable["checkpoint_id"])
        before = dict(self.writes.get(key, {}))
        super().put_writes(config, writes, task_id, task_path)
        for inner, value in self.writes.get(key, {}).items():
            if before.get(inner) is not value:
                run_id = (config.get("metadata") or {}).get("run_id", "")
                self.written.setdefault((key, inner), []).append((run_id, value))

    def keep_latest(self, thread: str) -> None:
        for ns, there in self.storage[thread].items():
            left = {id for id in there if (thread, ns, id) not in self.removed}
            self.removed |= {(thread, ns, id) for id in left - {max(left, default="")}}

    def remove_run(self, run_id: str) -> None:
        for thread, spaces in self.storage.items():
            for ns, there in spaces.items():
                parents: dict[str, set[str]] = {}
                for one in list(super().list(configured(thread, ns))):
                    key = key_of(one)
                    if one.metadata.get("run_id") == run_id and key not in self.copied:
                        self.removed.add(key)
                    elif key not in self.removed and one.parent_config:
                        parents.setdefault(one.parent_config["configurable"]["checkpoint_id"], set()).add(key[2])
                for id in there:
                    if id in parents or (thread, ns, id) in self.removed:
                        continue
                    self._take_back(run_id, (thread, ns, id))

    def _take_back(self, run_id: str, key: tuple[str, str, str]) -> None:
        """Of what the run wrote on a checkpoint nothing is left; what it had replaced stands again."""
        stored = self.writes[key]
        for inner in list(stored):
            left = self.written[key, inner] = [one for one in self.written[key, inner] if one[0] != run_id]
            if left:
                stored[inner] = left[-1][1]
            else:
                del stored[inner]

    def remove_thread(self, thread: str) -> None:
        self.delete_thread(thread)
        self.removed = {key for key in self.removed if key[0] != thread}

    def copy_thread(self, thread: str, target: str) -> None:
        """Nothing of the copy belongs to a run: undoing one leaves it alone."""
        for ns, there in self.storage[thread].items():
            self.storage[target][ns] = dict(there)
            self.copied |= {(target, ns, id) for id in there}
        for (_, *rest), blob in [one for one in self.blobs.items() if one[0][0] == thread]:
            self.blobs[target, *rest] = blob
        for (_, ns, id), stored in [one for one in self.writes.items() if one[0][0] == thread]:
            self.writes[target, ns, id] = dict(stored)
            for inner, value in stored.items():
                self.written[(target, ns, id), inner] = [("", value)]
        self.removed |= {(target, ns, id) for _, ns, id in [key for key in self.removed if key[0] == thread]}


class Compared(BaseCheckpointSaver[int]):
    """Writes to both, reads from both, and fails at the first difference."""

    def __init__(self, saver: SegmentSaver, reference: Reference) -> None:
        super().__init__(serde=saver.serde)
        self.saver = saver
        self.reference = reference
        self.compared: list[str] = []  # a clone of this saver adds to the same list

    def get_next_version(self, current: Any, channel: None) -> int:
        return self.saver.get_next_version(current, channel)

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        self.reference.put(config, checkpoint, metadata, new_versions)
        return await self.saver.aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        self.reference.put_writes(config, writes, task_id, task_path)
        await self.saver.aput_writes(config, writes, task_id, task_path)

    async def aget_tuple(self, config: Any) -> CheckpointTuple | None:
        ours, theirs = await self.saver.aget_tuple(config), self.reference.get_tuple(config)
        self.same(ours, theirs)
        return ours

    async def alist(self, config: Any, **options: Any) -> AsyncIterator[CheckpointTuple]:
        ours = [one async for one in self.saver.alist(config, **options)]
        theirs = list(self.reference.list(config, **options))
        assert [key_of(one) for one in ours] == [key_of(one) for one in theirs]
        for one, other in zip(ours, theirs, strict=True):
            self.same(one, other)
            yield one

    async def aget_delta_channel_history(self, *, config: Any, channels: Sequence[str]) -> Mapping[str, Any]:
        ours = await self.saver.aget_delta_channel_history(config=config, channels=channels)
        theirs = self.reference.get_delta_channel_history(config=config, channels=channels)
        assert self.plain(ours) == self.plain(theirs)
        return ours

    def same(self, ours: CheckpointTuple | None, theirs: CheckpointTuple | None) -> None:
        self.compared.append("" if ours is None else ours.checkpoint["id"])
        if ours is None or theirs is None:
            assert ours is theirs
            return
        assert key_of(ours) == key_of(theirs)
        assert (ours.parent_config or {}).get("configurable") == (theirs.parent_config or {}).get("configurable")
        assert self.plain(ours.checkpoint) == self.plain(theirs.checkpoint)
        assert self.plain(ours.metadata) == self.plain(theirs.metadata)
        assert self.plain(ours.pending_writes) == self.plain(theirs.pending_writes)

    def plain(self, value: Any) -> Any:
        """Bytes that differ when a type or the order of keys differs; only the order of channels does not count."""
        if isinstance(value, dict):
            return {name: self.plain(one) for name, one in value.items()}
        return value if isinstance(value, str | int) else self.serde.dumps_typed(value)


def configured(thread: str, ns: str = "", checkpoint_id: str | None = None) -> Any:
    configurable = {"thread_id": thread, "checkpoint_ns": ns}
    return {"configurable": configurable | ({"checkpoint_id": checkpoint_id} if checkpoint_id else {})}


def key_of(one: CheckpointTuple) -> tuple[str, str, str]:
    configurable = one.config["configurable"]
    return configurable["thread_id"], configurable.get("checkpoint_ns", ""), configurable["checkpoint_id"]
