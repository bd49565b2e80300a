"""ReAct's acting step: one tool call. Several of them run side by side, each as a task of its own."""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from nodes.budget import time_left, timed
from nodes.context import ReactContext
from nodes.state import Node, Spent
from nodes.tools.toolkit import Toolkit, failure


def run_tool(toolkit: Toolkit) -> Node:
    """A node: runs one tool call; its result, good or bad, is a ToolMessage."""

    async def run_tool(task: dict[str, Any], config: RunnableConfig, runtime: Runtime[ReactContext]) -> dict[str, Any]:
        if not task["affordable"]:
            return {"messages": [failure(task["call"], "the budget of tool calls is used up; answer without it")]}
        context = runtime.context or ReactContext()
        try:
            async with time_left(task["spent"], context):
                result = await toolkit.run(task["call"], config, context)
        except TimeoutError:
            result = failure(task["call"], f"stopped: the budget of {context.max_seconds:g} seconds is used up")
        return {"messages": [result], "spent": Spent(tool_calls=1)}

    return timed(run_tool)
