"""Three nodes ask at once, the first of them last; a fourth beside them says something, or nothing."""

import asyncio
import operator
from typing import Annotated, Any

from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt


class State(MessagesState, total=False):
    topic: str
    log: Annotated[list[str], operator.add]


def asks(name: str) -> Any:
    async def ask(state: State) -> State:
        await asyncio.sleep(0.05 if name == "a" else 0)
        return {"log": [f"{name}:{interrupt({'q': name})}:{state.get('topic')}"]}

    return ask


async def note(state: State) -> State:
    return {"log": ["noted"]} if state.get("topic") == "aloud" else {}


builder = StateGraph(State).add_node("note", note).add_edge(START, "note")
for one in "abc":
    builder.add_node(one, asks(one)).add_edge(START, one)
graph = builder.compile()
