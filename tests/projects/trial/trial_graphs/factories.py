"""Graphs made anew for each use, by every form of factory that the official server knows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.pregel import Pregel
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
