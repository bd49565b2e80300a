"""Fails with what careless libraries put into their errors: a key, an address with a password, headers."""

import logging
import os
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode


@tool
def fetch() -> str:
    """Fails as its HTTP library would."""
    key, address = os.environ["PARTNER_API_KEY"], os.environ["PARTNER_URL"]
    logging.getLogger("partner").warning("401 from %s with x-api-key %s", address, key)
    raise RuntimeError(
        f"401 from {address}, sent {{'Authorization': 'Bearer eyJleaked.bearer.token', 'x-api-key': '{key}'}}"
    )


async def decide(state: MessagesState) -> dict[str, Any]:
    call = {"name": "fetch", "args": {}, "id": "call-1", "type": "tool_call"}
    return {"messages": [AIMessage("", tool_calls=[call])]}


graph = (
    StateGraph(MessagesState)
    .add_node("decide", decide)
    .add_node("tools", ToolNode([fetch], handle_tool_errors=False))
    .add_edge(START, "decide")
    .add_edge("decide", "tools")
    .compile()
)
