"""After the deploy: `second` has another name in one graph; a key of the state has gone, another has come."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    visited: Annotated[list[str], operator.add]
    pause: float
    arrived: str


async def first(state: State) -> State:
    return {"visited": ["first"]}


async def second(state: State) -> State:
    return {"visited": ["second, after the deploy"], "arrived": "yes"}


def with_second_called(name: str) -> StateGraph:
    return (
        StateGraph(State)
        .add_node("first", first)
        .add_node(name, second)
        .add_edge(START, "first")
        .add_edge("first", name)
    )


renamed = with_second_called("second_renamed").compile()
kept = with_second_called("second").compile()
