"""The answer of Plan-and-Execute: from what the steps gave, honest about what they did not."""

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from nodes import prompts
from nodes.budget import exhausted, time_left, timed
from nodes.context import PlanContext
from nodes.memory import conversation, shortened_until_it_fits
from nodes.model_call import complete
from nodes.models import ChatModels
from nodes.plan_report import filled, outputs_of, report
from nodes.state import Node, PlanState, PlanStep, Spent
from nodes.tools.user_memory import known


def answer(models: ChatModels) -> Node:
    """A node: the model's answer from the steps, or the steps as they stand when no model call is left for it."""

    async def answer(state: PlanState, config: RunnableConfig, runtime: Runtime[PlanContext]) -> dict[str, Any]:
        context, steps = runtime.context or PlanContext(), state["plan"]
        if reason := exhausted(state["spent"], context):
            return {"messages": [AIMessage(_without_model(steps, reason))]}
        facts = await known(runtime.store, config) if context.long_term_memory else ""
        data = [HumanMessage(report(steps))] if steps else []

        async def ask(share: float) -> tuple[AIMessage, Spent]:
            messages = [*conversation(state, context, prompts.PLAN_ANSWER, share, facts), *data]
            return await complete(models, context, messages, config)

        try:
            async with time_left(state["spent"], context):
                reply, spent = await shortened_until_it_fits(ask)
        except TimeoutError:
            return {"messages": [AIMessage(_without_model(steps, f"{context.max_seconds:g} seconds"))]}
        return {"messages": [reply], "spent": spent}

    return timed(answer)


def _without_model(steps: list[PlanStep], reason: str) -> str:
    outputs = outputs_of(steps)
    lines = [f"- {filled(step['task'], outputs)} ({step['status']}): {step['output']}" for step in steps]
    return "\n".join([f"I stopped here: the budget of {reason} is used up. What there is:", *lines])
