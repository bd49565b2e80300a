"""Tells what its configuration says."""

from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    seen: dict


async def look(state: State, config: RunnableConfig) -> State:
    return {"seen": {key: item for key, item in config["configurable"].items() if not key.startswith("__")}}


graph = StateGraph(State).add_node("look", look).add_edge(START, "look").compile()
