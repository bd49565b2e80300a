"""Carrying out one step of a plan, by its tool or by the model alone; steps of a wave run side by side."""

import json
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage, ToolCall
from langchain_core.messages.tool import tool_call
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.runtime import Runtime

from nodes import prompts
from nodes.budget import time_left, timed
from nodes.context import PlanContext
from nodes.model_call import INTERNAL, ModelCallError, PromptTooLongError, complete
from nodes.models import ChatModels
from nodes.plan_report import filled
from nodes.state import Node, PlanStep, Spent, StepStatus
from nodes.tools.toolkit import Toolkit

MAX_OUTPUT = 4000
"""Characters of one step's output that flow on; more would crowd the prompts of the steps after it."""


def run_step(models: ChatModels, toolkit: Toolkit) -> Node:
    """A node: the step's output, or why there is none; a failed step is pending again while it has attempts left."""

    async def by_tool(call: ToolCall, config: RunnableConfig, context: PlanContext) -> tuple[StepStatus, str, Spent]:
        result = await toolkit.run(call, config, context)
        return "failed" if result.status == "error" else "done", str(result.text), Spent(tool_calls=1)

    async def by_thought(
        step: PlanStep, outputs: dict[str, str], context: PlanContext, config: RunnableConfig
    ) -> tuple[StepStatus, str, Spent]:
        data = json.dumps({"task": filled(step["task"], outputs), "inputs": outputs}, ensure_ascii=False)
        messages = [SystemMessage(prompts.STEP), HumanMessage(data)]
        try:
            answer, spent = await complete(models, context, messages, merge_configs(config, INTERNAL))
        except (ModelCallError, PromptTooLongError) as error:
            return "failed", str(error), Spent(model_calls=1)
        return "done", str(answer.text), spent

    async def run_step(task: dict[str, Any], config: RunnableConfig, runtime: Runtime[PlanContext]) -> dict[str, Any]:
        context = runtime.context or PlanContext()
        step: PlanStep = task["step"]
        try:
            async with time_left(task["spent"], context):
                if step["tool"]:
                    args = filled(step["args"], task["outputs"])
                    work = by_tool(tool_call(name=step["tool"], args=args, id=step["id"]), config, context)
                else:
                    work = by_thought(step, task["outputs"], context, config)
                status, output, spent = await work
        except TimeoutError:
            status, output, spent = "failed", f"the budget of {context.max_seconds:g} seconds is used up", Spent()
        if status == "failed" and step["attempts"] < context.max_step_attempts:
            status = "pending"
        after: PlanStep = {**step, "status": status, "output": _shortened(output)}
        runtime.stream_writer({"type": "plan_step", "step": after})
        return {"plan": [after], "spent": spent}

    return timed(run_step)


def _shortened(output: str) -> str:
    return output if len(output) <= MAX_OUTPUT else f"{output[:MAX_OUTPUT]} ... ({len(output)} characters in all)"
