"""A graph made anew for each run, from the run's configuration."""

from typing import TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    greeting: str


async def make_graph(config: RunnableConfig) -> StateGraph:
    name = config.get("configurable", {}).get("name", "nobody")

    async def greet(state: State) -> State:
        return {"greeting": f"hello {name}"}

    return StateGraph(State).add_node("greet", greet).add_edge(START, "greet")
