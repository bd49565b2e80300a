"""Chats; fails, or takes its time, when it is asked to."""

import asyncio
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph


async def chat(state: MessagesState) -> dict[str, Any]:
    if state["messages"][-1].text == "fail":
        raise ValueError("no echo for this")
    if state["messages"][-1].text == "wait":
        await asyncio.sleep(100)
    return {"messages": [AIMessage("well")]}


graph = StateGraph(MessagesState).add_node("chat", chat).add_edge(START, "chat").compile()
