"""Graphs made anew for each use, by every form of factory that the official server knows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.pregel import Pregel
from langgraph.types import interrupt
from langgraph_sdk.runtime import ServerRuntime
from typing_extensions import TypedDict


@dataclass
class Context:
    tone: str = "plain"


class State(TypedDict, total=False):
    made_by: str
    access: str
    tone: str


def _telling(told: State) -> StateGraph:
    async def tell(state: State) -> State:
        return told

    return StateGraph(State, context_schema=Context).add_node("tell", tell).add_edge(START, "tell")


def plain() -> StateGraph:
    return _telling({"made_by": "plain_factory"})


@asynccontextmanager
async def managed(config: RunnableConfig) -> AsyncIterator[Pregel]:
    yield _telling({"made_by": "managed_factory"}).compile()


async def with_runtime(config: RunnableConfig, runtime: ServerRuntime[Context]) -> StateGraph:
    execution = runtime.execution_runtime
    tone = execution.context.tone if execution is not None else "nobody runs"
    return _telling({"made_by": "runtime_factory", "access": runtime.access_context, "tone": tone})


async def by_thread(config: RunnableConfig) -> StateGraph:
    """For graphs that keep something of a thread's own; the question comes in a node that knows its thread."""
    told = config["configurable"]
    name = f"{told['graph_id']} of {told['thread_id']}"

    async def ask(state: State) -> State:
        return {"made_by": name, "tone": interrupt(f"in which tone, {name}?")}

    return StateGraph(State).add_node("ask", ask).add_edge(START, "ask")


def unsteady(config: RunnableConfig) -> StateGraph:
    """Needs something else than the server, which may be down."""
    if config["configurable"]["mcp"] == "down":
        raise ConnectionError("nobody answers at http://ada:hunter22@mcp.example")
    return _telling({"made_by": "unsteady"})


@asynccontextmanager
async def unclean(config: RunnableConfig) -> AsyncIterator[StateGraph]:
    """Fails as it is taken down again."""
    yield _telling({"made_by": "unclean"})
    if config["configurable"].get("mcp") == "down":
        raise ConnectionError("nobody answers any more")
