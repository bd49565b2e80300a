"""What runs show does not depend on how LangGraph is asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from tests.projects.trial.trial_graphs import asking, nested
from threadkeep.streams.frames import CHECKPOINT_IDS, Frames, langgraph_modes, needs_subgraphs

OUTSIDE = ["values", "updates", "tasks", "checkpoints", "debug"]


def parallel() -> Any:
    def says(word: str) -> Any:
        return lambda state: {"messages": [("ai", word)]}

    graph = StateGraph(MessagesState)
    for word in ("left", "right"):
        graph.add_node(word, says(word)).add_edge(START, word)
    return graph.compile()


GRAPHS: dict[str, tuple[Any, Mapping[str, Any]]] = {
    "a subgraph": (nested.graph, {"text": "x"}),
    "a question in a subgraph": (nested.graph, {"text": "x?"}),
    "a question": (asking.graph, {"topic": "tea"}),
    "two at a time": (parallel(), {"messages": ["hi"]}),
}


async def shown(graph: Any, given: Any, modes: list[str], *, subgraphs: bool) -> list[tuple[str, Any]]:
    """Names and shapes of the frames, without what differs from run to run anyway."""
    frames = Frames(modes, subgraphs=False)
    bound = graph.copy({"checkpointer": InMemorySaver()})
    config = {"configurable": {"thread_id": str(uuid4())}}
    parts = bound.astream(
        given, config, version="v2", stream_mode=langgraph_modes(modes), subgraphs=subgraphs, durability="async"
    )
    return [(name, shape(payload)) async for part in parts for name, payload in frames.of(part)]


def shape(payload: Any) -> Any:
    if isinstance(payload, Mapping):
        return {key: shape(value) for key, value in payload.items()}
    return [shape(item) for item in payload] if isinstance(payload, list | tuple) else type(payload).__name__


@pytest.mark.parametrize("modes", [[mode] for mode in OUTSIDE] + [OUTSIDE, ["tasks", CHECKPOINT_IDS]])
@pytest.mark.parametrize("kind", GRAPHS)
async def test_who_does_not_look_inside_tasks_is_shown_the_same_without_subgraphs(kind: str, modes: list[str]) -> None:
    graph, given = GRAPHS[kind]
    assert not needs_subgraphs(modes, asked=False)
    outside = await shown(graph, given, modes, subgraphs=False)
    assert outside == await shown(graph, given, modes, subgraphs=True)
    assert outside


@pytest.mark.parametrize("mode", ["messages", "messages-tuple", "custom", "tools", "lifecycle", "events"])
def test_what_comes_from_inside_a_task_is_asked_for(mode: str) -> None:
    assert needs_subgraphs(["values", mode], asked=False)
    assert needs_subgraphs(["values"], asked=True)
