"""Puts into the store and finds again by meaning, from an async node and from a plain one."""

from typing import Any

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    root: str
    found: list[str]
    again: list[str]


async def remember(state: State, runtime: Runtime[Any]) -> State:
    store = runtime.store
    assert store is not None
    for key, text in (("zoo", "zzz zebra"), ("tea", "tea eats ate"), ("cat", "a cat acts")):
        await store.aput((state["root"], "texts"), key, {"text": text})
    return {"found": [item.key for item in await store.asearch((state["root"],), query="zz")]}


def recall(state: State, runtime: Runtime[Any]) -> State:
    store = runtime.store
    assert store is not None
    store.put((state["root"], "texts"), "jam", {"text": "jjj jam"})
    return {"again": [item.key for item in store.search((state["root"],), query="jj", limit=1)]}


graph = (
    StateGraph(State)
    .add_node(remember)
    .add_node(recall)
    .add_edge(START, "remember")
    .add_edge("remember", "recall")
    .compile()
)
