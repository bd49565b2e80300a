"""Graphs whose state takes less than what may be written to it: by type, by number of writers, by reducer."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel


class Typed(BaseModel):
    a: int = 0


class Single(TypedDict, total=False):
    key: str
    asked: str


class Listed(TypedDict, total=False):
    items: Annotated[list, operator.add]


def add_one(state: Typed) -> dict:
    return {"a": state.a + 1}


def left(state: Single) -> dict:
    return {"key": "left"}


def right(state: Single) -> dict:
    return {} if state["key"] == "peace" else {"key": "right"}


def ask(state: Single) -> dict:
    return {"asked": interrupt("who?")} if state["key"] == "asking" else {}


def add_item(state: Listed) -> dict:
    return {"items": ["added"]}


typed = StateGraph(Typed).add_node("add_one", add_one).add_edge(START, "add_one").compile()
colliding = (
    StateGraph(Single)
    .add_node("left", left)
    .add_node("right", right)
    .add_node("ask", ask)
    .add_edge(START, "left")
    .add_edge(START, "right")
    .add_edge(START, "ask")
    .compile()
)
listed = StateGraph(Listed).add_node("add_item", add_item).add_edge(START, "add_item").compile()
