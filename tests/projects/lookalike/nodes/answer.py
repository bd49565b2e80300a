"""Does as it is told: `raise` fails, `ask` interrupts, anything else is repeated."""

from typing import Any

from langchain_core.messages import AIMessage
from langgraph.graph import MessagesState
from langgraph.types import interrupt


class OnPurposeError(Exception):
    """Raised because somebody asked for it."""


async def answer(state: MessagesState) -> dict[str, Any]:
    told = str(state["messages"][-1].text)
    if told == "raise":
        raise OnPurposeError("boom on purpose")
    if told == "ask":
        told = interrupt({"question": "really?"})
    return {"messages": [AIMessage(f"You said: {told}")]}
