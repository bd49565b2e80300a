"""Three nodes in a row, each leaving its name: for forks, histories, stops before and after nodes, and commands."""

import operator
from typing import Annotated

from langgraph.graph import START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    path: Annotated[list[str], operator.add]
    note: str


class Sent(TypedDict):
    word: str


async def first(state: State) -> State:
    return {"path": ["first"]}


async def second(state: State) -> State:
    return {"path": ["second"]}


async def third(state: State) -> State:
    return {"path": ["third"]}


async def shout(sent: Sent) -> State:
    return {"path": [sent["word"].upper()]}


def never(state: State) -> list[Send]:
    return [Send("shout", {"word": state["note"]})] if state.get("note") == "shout" else []


graph = (
    StateGraph(State)
    .add_node("first", first)
    .add_node("second", second)
    .add_node("third", third)
    .add_node("shout", shout)
    .add_edge(START, "first")
    .add_edge("first", "second")
    .add_edge("second", "third")
    .add_conditional_edges("third", never, ["shout"])
    .compile()
)
