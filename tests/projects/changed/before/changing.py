"""Before the deploy: two nodes, and a question between them."""

import asyncio
import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    visited: Annotated[list[str], operator.add]
    leaving: str
    pause: float


async def first(state: State) -> State:
    return {"visited": ["first"], "leaving": "goes with the deploy"}


async def second(state: State) -> State:
    await asyncio.sleep(state.get("pause", 0))
    return {"visited": ["second"]}


graph = (
    StateGraph(State)
    .add_node("first", first)
    .add_node("second", second)
    .add_edge(START, "first")
    .add_edge("first", "second")
    .compile()
)
