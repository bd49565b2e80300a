"""When a deploy changed the graph under a thread: what a thread waits for may be gone.

LangGraph drops such a pending node without a word and calls the run finished. Here going on with the thread is refused,
with what is missing and how to repair it; a run that was under way ends with the same words.
"""

from __future__ import annotations

from langgraph.checkpoint.base import CheckpointTuple

from threadkeep.errors import ConflictError
from threadkeep.graphs import Graph
from threadkeep.unserved import pending_nodes


class GraphChangedError(ConflictError):
    """The graph no longer has the node that this thread waits for."""


def require_pending_nodes(graph: Graph, graph_id: str, thread_id: str, found: CheckpointTuple | None) -> None:
    """`GraphChangedError` when the checkpoint is about to run a node that the graph does not have."""
    missing = [] if found is None else [name for name in pending_nodes(found) if name not in graph.nodes]
    if not missing:
        return
    known = sorted(name for name in graph.nodes if not name.startswith("__"))
    raise GraphChangedError(
        f"Thread {thread_id} waits for {', '.join(map(repr, missing))}, which the graph {graph_id!r} no longer has "
        f"(it has {', '.join(known)}). To go on, say which node's work is done: POST /threads/{thread_id}/state with "
        '{"values": {...}, "as_node": "<one of these>"}, then run again; or send new input.'
    )
