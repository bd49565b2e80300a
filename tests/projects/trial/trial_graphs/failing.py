"""Fails as it is told: `raise` (an error of its own), `exit` (the whole process), anything else not at all."""

import os
from typing import TypedDict

from langgraph.graph import START, StateGraph


class OnPurposeError(Exception):
    """Raised because somebody asked for it."""


class State(TypedDict, total=False):
    how: str
    survived: bool


async def fail(state: State) -> State:
    match state.get("how"):
        case "raise":
            raise OnPurposeError("boom on purpose")
        case "exit":
            os._exit(9)
    return {"survived": True}


graph = StateGraph(State).add_node("fail", fail).add_edge(START, "fail").compile()
