"""Blocks its thread, the whole of it: a plain function that sleeps, as sync graphs and tools in the wild do."""

import time
from pathlib import Path

from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    until: str
    done: bool


def block(state: State) -> State:
    """Until a file appears, so that a test decides how long, or half a minute."""
    deadline = time.monotonic() + 30
    while not Path(state["until"]).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return {"done": Path(state["until"]).exists()}


graph = StateGraph(State).add_node("block", block).add_edge(START, "block").compile()
