"""Counts to `steps`, one super-step each, every step as long as `seconds`; each visit leaves a line in `journal`.

The process dies as the step `dies_at` begins, the first time.
"""

import asyncio
import operator
import os
from pathlib import Path
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime


class State(TypedDict, total=False):
    steps: int
    seconds: float
    journal: str
    dies_at: int
    done: Annotated[list[int], operator.add]


async def step(state: State, runtime: Runtime) -> State:
    number = len(state.get("done", []))
    if journal := state.get("journal"):
        with Path(journal).open("a", encoding="utf-8") as file:
            file.write(f"{number}\n")
        if number == state.get("dies_at") and Path(journal).read_text(encoding="utf-8").split().count(str(number)) == 1:
            os._exit(9)
    await asyncio.sleep(state.get("seconds", 0.1))
    return {"done": [number]}


def more(state: State) -> str:
    return "step" if len(state.get("done", [])) < state.get("steps", 3) else END


graph = StateGraph(State).add_node("step", step).add_edge(START, "step").add_conditional_edges("step", more).compile()
