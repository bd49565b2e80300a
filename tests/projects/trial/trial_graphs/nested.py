"""A graph with a subgraph that asks a question."""

from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt


class Inner(TypedDict, total=False):
    text: str
    secret: str


class Outer(TypedDict, total=False):
    text: str


async def inner_a(state: Inner) -> Inner:
    return {"secret": f"inner {state['text']}"}


async def inner_b(state: Inner) -> Inner:
    answer = interrupt("really?") if state["text"].endswith("?") else "yes"
    return {"text": f"{state['secret']} {answer}"}


sub = (
    StateGraph(Inner)
    .add_node("inner_a", inner_a)
    .add_node("inner_b", inner_b)
    .add_edge(START, "inner_a")
    .add_edge("inner_a", "inner_b")
    .compile()
)

graph = StateGraph(Outer).add_node("sub", sub).add_edge(START, "sub").compile()
