"""Asks twice, by `interrupt`, before it is done."""

from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt


class State(TypedDict, total=False):
    topic: str
    first: str
    second: str


async def prepare(state: State) -> State:
    return {"topic": state.get("topic", "nothing")}


async def ask(state: State) -> State:
    first = interrupt({"question": f"first about {state['topic']}?"})
    second = interrupt({"question": "second?"})
    return {"first": first, "second": second}


graph = (
    StateGraph(State)
    .add_node("prepare", prepare)
    .add_node("ask", ask)
    .add_edge(START, "prepare")
    .add_edge("prepare", "ask")
    .compile()
)
