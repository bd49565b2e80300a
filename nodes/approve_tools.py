"""Waiting for a person's decision on tool calls, before any of them runs."""

from typing import Any

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langgraph.runtime import Runtime

from nodes.approval import Action, decide
from nodes.call_model import open_calls
from nodes.context import ReactContext
from nodes.state import ReactState
from nodes.tools.toolkit import failure


async def approve_tools(state: ReactState, runtime: Runtime[Any]) -> dict[str, Any]:
    """A node of its own, because what stands before an interrupt runs again on resume."""
    guarded = (runtime.context or ReactContext()).approve_tools
    asked = [call for call in open_calls(state["messages"]) if call["name"] in guarded]
    actions = [
        Action(name=call["name"], args=call["args"], description=f"The agent wants to use {call['name']}.")
        for call in asked
    ]
    edited: dict[str, ToolCall] = {}
    refused: list[ToolMessage] = []
    for call, decision in zip(asked, decide(actions), strict=True):
        if decision["type"] == "reject":
            refused.append(failure(call, f"The user rejected this call. {decision.get('message') or ''}".strip()))
        elif decision["type"] == "edit":
            action = decision["edited_action"]
            edited[call["id"] or ""] = {**call, "name": action.get("name", call["name"]), "args": action["args"]}
    return {"messages": [*_rewritten(state, edited), *refused]}


def _rewritten(state: ReactState, edited: dict[str, ToolCall]) -> list[AIMessage]:
    """The model's answer with the edited calls in it, under its own id so that it takes the place of the first."""
    if not edited:
        return []
    answer = next(message for message in reversed(state["messages"]) if isinstance(message, AIMessage))
    calls = [edited.get(call["id"] or "", call) for call in answer.tool_calls]
    return [answer.model_copy(update={"tool_calls": calls})]
