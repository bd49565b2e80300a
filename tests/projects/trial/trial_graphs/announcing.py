"""Writes to its stream by name and without one, also from a tool while that runs."""

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, ToolRuntime


@tool
def count(upto: int, runtime: ToolRuntime) -> str:
    """Counts aloud."""
    for number in range(1, upto + 1):
        runtime.emit_output_delta(str(number))
    return f"counted to {upto}"


async def announce(state: MessagesState) -> dict:
    write = get_stream_writer()
    write({"name": "progress", "payload": {"share": 0.5}})
    write("half of it")
    call = {"name": "count", "args": {"upto": 2}, "id": f"call-{len(state['messages'])}", "type": "tool_call"}
    return {"messages": [AIMessage("counting", tool_calls=[call])]}


graph = (
    StateGraph(MessagesState)
    .add_node("announce", announce)
    .add_node("tools", ToolNode([count]))
    .add_edge(START, "announce")
    .add_edge("announce", "tools")
    .compile()
)
