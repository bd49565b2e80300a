"""Keeps objects of its own classes in its state, and asks whether they are right."""

from dataclasses import dataclass
from enum import Enum
from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel


class Pace(Enum):
    SLOW = "slow"


class Plan(BaseModel):
    steps: list[str]


@dataclass
class Place:
    name: str


class State(TypedDict, total=False):
    plan: Plan
    place: Place
    pace: Pace
    kinds: list[str]


async def plan(state: State) -> State:
    return {"plan": Plan(steps=["pack", "go"]), "place": Place("Rome"), "pace": Pace.SLOW}


async def ask(state: State) -> State:
    interrupt("like this?")
    return {"kinds": [type(state[key]).__name__ for key in ("plan", "place", "pace")]}


graph = (
    StateGraph(State).add_node("plan", plan).add_node("ask", ask).add_edge(START, "plan").add_edge("plan", "ask")
).compile()
