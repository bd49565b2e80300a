"""Goes on for as long as it is let."""

import asyncio
import operator
from typing import Annotated

from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    steps: Annotated[int, operator.add]


async def step(state: State) -> State:
    await asyncio.sleep(0.02)
    return {"steps": 1}


graph = StateGraph(State).add_node("step", step).add_edge(START, "step").add_edge("step", "step").compile()
