"""Keeps objects of its own in its state, and says what it got back after a stop."""

from dataclasses import dataclass
from typing import Any

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


@dataclass
class Plan:
    steps: list[str]


@dataclass
class Unnamed:
    """No configuration lets this one come back."""

    steps: list[str]


class State(TypedDict, total=False):
    kept: Any
    pickled: Any
    got: dict[str, str]


def write(state: State) -> State:
    return {"kept": {"plan": Plan(["a"]), "unnamed": Unnamed(["b"])}, "pickled": 3 + 4j}


def stop(state: State) -> State:
    interrupt("go on?")
    values = {**state["kept"], "pickled": state["pickled"]}
    return {"got": {name: type(value).__name__ for name, value in values.items()}}


graph = StateGraph(State).add_node(write).add_node(stop).add_edge(START, "write").add_edge("write", "stop").compile()
