"""What graph tests share: a question as a graph's input, and parts of what a graph left."""

from typing import Any

from langchain_core.messages import ToolMessage

HERE = {"configurable": {"thread_id": "1"}}


def asked(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def results(state: dict[str, Any]) -> list[tuple[str, str]]:
    """Status and text of every tool result, in order."""
    return [(message.status, message.text) for message in state["messages"] if isinstance(message, ToolMessage)]
