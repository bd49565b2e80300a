"""Answers with what it was told; costs nothing."""

from typing import Any

from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph


async def echo(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(f"echo: {state['messages'][-1].text}")]}


graph = StateGraph(MessagesState).add_node("echo", echo).add_edge(START, "echo").compile()
