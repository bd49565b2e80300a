"""Calls one tool by its own decision, without a model: for the stream modes that show tools and messages."""

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode


@tool
def shout(word: str) -> str:
    """The word in capitals."""
    return word.upper()


async def decide(state: MessagesState) -> dict:
    call = {"name": "shout", "args": {"word": state["messages"][-1].text}, "id": "call-1", "type": "tool_call"}
    return {"messages": [AIMessage("", tool_calls=[call])]}


graph = (
    StateGraph(MessagesState)
    .add_node("decide", decide)
    .add_node("tools", ToolNode([shout]))
    .add_edge(START, "decide")
    .add_edge("decide", "tools")
    .compile()
)
