"""What can still be told of a thread whose graph is no longer served: its state and history, straight from the saver.

A deploy may drop or rename a graph; its threads open, list and show their history all the same. Without the graph
nobody can say what would run next, so `next` names the nodes that the checkpoint itself says were to run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.types import Send, StateSnapshot

_BRANCH = "branch:to:"
_SENDS = "__pregel_tasks"
_INTERNAL = (_BRANCH, "join:", "__")


class UnservedGraph:
    """Reads like a compiled graph, for the two methods that only read."""

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        self.checkpointer = saver

    async def aget_state(self, config: RunnableConfig, *, subgraphs: bool = False) -> StateSnapshot:
        found = await self.checkpointer.aget_tuple(config)
        if found is None:
            return StateSnapshot({}, (), config, None, None, None, (), ())
        return _snapshot(found)

    async def aget_state_history(
        self,
        config: RunnableConfig,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[StateSnapshot]:
        found = [item async for item in self.checkpointer.alist(config, filter=filter, before=before, limit=limit)]
        for item in found:
            yield _snapshot(item)


def pending_nodes(found: CheckpointTuple) -> tuple[str, ...]:
    """The nodes that a checkpoint was about to run, by name, whether or not a graph still has them."""
    values, versions = found.checkpoint["channel_values"], found.checkpoint["channel_versions"]
    # All channels written in one super-step get one version; an older trigger is a leftover of a graph that changed.
    newest: Any = max(versions.values(), default=None)
    current = {name: value for name, value in values.items() if versions.get(name) == newest}
    names = [name.removeprefix(_BRANCH) for name in current if name.startswith(_BRANCH)]
    names += [send.node for send in current.get(_SENDS) or () if isinstance(send, Send)]
    return tuple(dict.fromkeys(names))


def _snapshot(found: CheckpointTuple) -> StateSnapshot:
    values = {
        name: value for name, value in found.checkpoint["channel_values"].items() if not name.startswith(_INTERNAL)
    }
    return StateSnapshot(
        values=values,
        next=pending_nodes(found),
        config=found.config,
        metadata=found.metadata,
        created_at=found.checkpoint["ts"],
        parent_config=found.parent_config,
        tasks=(),
        interrupts=(),
    )
