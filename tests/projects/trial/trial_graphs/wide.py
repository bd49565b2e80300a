"""Six tasks at once, if they may: how many ran together, and the metadata that the last node was given."""

import asyncio
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict

WIDTH = 6


def larger(one: int, other: int) -> int:
    return max(one, other)


class State(TypedDict, total=False):
    together: Annotated[int, larger]
    told: dict[str, Any]


class Gauge:
    """How many tasks run at this moment, of all runs."""

    now = 0


async def work(state: State) -> State:
    Gauge.now += 1
    together = Gauge.now
    await asyncio.sleep(0.05)
    Gauge.now -= 1
    return {"together": together}


async def tell(state: State, config: RunnableConfig) -> State:
    return {"told": {key: item for key, item in config["metadata"].items() if not key.startswith("langgraph_")}}


def all_of_them(state: State) -> list[Send]:
    return [Send("work", {})] * WIDTH


graph = (
    StateGraph(State)
    .add_node("work", work)
    .add_node("tell", tell)
    .add_conditional_edges(START, all_of_them, ["work"])
    .add_edge("work", "tell")
    .compile()
)
