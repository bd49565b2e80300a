"""A thread's state as its graph reads it and, where the graph cannot, as much of it as there is.

To read a state is to run somebody's code: LangGraph applies the writes that wait beside a checkpoint, and so calls the
graph's reducers, and it makes the input of the nodes that come next. What failed in a run (a message of a type that
does not exist, two nodes that wrote one key, a value that its field does not take) fails there again, at every read.
A thread must open, list and copy all the same, so this is the one place where what a graph raises as it is read is
caught: the checkpoint is then read without the writes that wait, and if it cannot be read even so, as the saver alone
tells of it. What is shown is never more than what was stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple, PendingWrite
from langgraph.types import StateSnapshot

from threadkeep.errors import ThreadkeepError
from threadkeep.graphs import Graph, Readable, saver_of
from threadkeep.unserved import UnservedGraph

log = structlog.get_logger("threadkeep.graphs")

Kept = Callable[[list[PendingWrite]], list[PendingWrite]]

NO_RESULT = frozenset({"__error__", "__interrupt__", "__resume__"})
"""What a task may have written without having done its work."""
NOBODY = "00000000-0000-0000-0000-000000000000"
"""LangGraph's task id for writes that belong to no task."""
_STORAGE = (ThreadkeepError, OSError)
"""What the saver raises when storage is away: then nothing can be told, least of all that there are no writes."""


async def read_state(graph: Readable, config: RunnableConfig, *, subgraphs: bool = False) -> StateSnapshot:
    """As `aget_state`, whatever the graph's own code makes of the state."""
    for reader in (graph, *_without_writes(graph)):
        try:
            return await reader.aget_state(config, subgraphs=subgraphs)
        except _STORAGE:
            raise
        except Exception as error:  # noqa: BLE001 - somebody's reducer or schema, which may raise whatever it likes
            log.debug("state_unreadable", thread_id=config["configurable"]["thread_id"], error=str(error))
    return await UnservedGraph(saver_of(graph)).aget_state(config)


async def read_history(
    graph: Readable,
    config: RunnableConfig,
    *,
    filter: dict[str, Any] | None,
    before: RunnableConfig | None,
    limit: int,
) -> list[StateSnapshot]:
    """As `aget_state_history`; one checkpoint that its graph cannot read hides none of the others."""
    try:
        return [one async for one in graph.aget_state_history(config, filter=filter, before=before, limit=limit)]
    except _STORAGE:
        raise
    except Exception:  # noqa: BLE001 - as above
        found = [one async for one in saver_of(graph).alist(config, filter=filter, before=before, limit=limit)]
    return [await read_state(graph, one.config) for one in found]


def _without_writes(graph: Readable) -> tuple[Graph, ...]:
    """The graph, reading checkpoints without what tasks left beside them; none for one that is no longer served."""
    if isinstance(graph, UnservedGraph):
        return ()
    return (with_writes(graph, _unfinished),)


def with_writes(graph: Graph, kept: Kept) -> Graph:
    """The graph, reading of what was written beside a checkpoint only what `kept` makes of it."""
    return graph.copy({"checkpointer": _SomeWrites(saver_of(graph), kept)})


class _SomeWrites(BaseCheckpointSaver[Any]):
    """Reads what another saver holds."""

    def __init__(self, saver: BaseCheckpointSaver[Any], kept: Kept) -> None:
        super().__init__(serde=saver.serde)
        self._saver = saver
        self._kept = kept

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        found = await self._saver.aget_tuple(config)
        return None if found is None else found._replace(pending_writes=self._kept(found.pending_writes or []))

    async def aget_delta_channel_history(self, *, config: RunnableConfig, channels: Sequence[str]) -> Mapping[str, Any]:
        return await self._saver.aget_delta_channel_history(config=config, channels=channels)


def _unfinished(writes: list[PendingWrite]) -> list[PendingWrite]:
    """The writes of tasks that have no result.

    What tasks ask and how they failed is still there; those that had finished look as if they had not begun, so that
    `next` names them: their super-step is what has not been taken.
    """
    left_out = {NOBODY, *(task_id for task_id, channel, _ in writes if channel not in NO_RESULT)}
    return [write for write in writes if write[0] not in left_out]
