"""Answers with what it was configured with, by context and by configurable."""

from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict


@dataclass
class Context:
    tone: str = "plain"
    limit: int = 3


class State(TypedDict, total=False):
    tone: str
    limit: int
    seen: dict


async def report(state: State, config: RunnableConfig, runtime: Runtime[Context]) -> State:
    plain = {key: item for key, item in config["configurable"].items() if not key.startswith("__")}
    return {"tone": runtime.context.tone, "limit": runtime.context.limit, "seen": plain}


graph = StateGraph(State, context_schema=Context).add_node("report", report).add_edge(START, "report").compile()
