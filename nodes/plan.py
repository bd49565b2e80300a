"""Making a plan, and making it anew when a step has failed for good."""

from functools import partial
from typing import Any, Literal, cast

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from nodes import prompts
from nodes.budget import time_left, timed
from nodes.context import PlanContext
from nodes.memory import conversation, shortened_until_it_fits
from nodes.models import ChatModels
from nodes.plan_report import report
from nodes.plan_schema import faults, plan_schema
from nodes.state import Node, PlanState, PlanStep, Spent
from nodes.structured import StructuredOutputError, ask_json
from nodes.tools.toolkit import Toolkit
from nodes.tools.user_memory import known


def plan(models: ChatModels, toolkit: Toolkit) -> Node:
    """A node: asks for a plan and checks it. When even the repaired one is unusable, ReAct takes over."""

    async def plan(state: PlanState, config: RunnableConfig, runtime: Runtime[PlanContext]) -> dict[str, Any]:
        context = runtime.context or PlanContext()
        schema = plan_schema(toolkit.offered(context), context.max_steps)
        facts = await known(runtime.store, config) if context.long_term_memory else ""

        async def ask(share: float) -> tuple[dict[str, Any], Spent]:
            messages = conversation(state, context, prompts.PLAN, share, facts)
            return await ask_json(models, context, messages, schema, config, _faults)

        try:
            async with time_left(state["spent"], context):
                value, spent = await shortened_until_it_fits(ask)
        except TimeoutError:
            return {"plan": Overwrite([]), "usable": True, "replans": 0}
        except StructuredOutputError as error:
            return {"plan": Overwrite([]), "usable": False, "replans": 0, "spent": error.spent}
        steps = _fresh(value)
        runtime.stream_writer({"type": "plan", "steps": steps})
        return {"plan": Overwrite(steps), "usable": True, "replans": 0, "spent": spent}

    return timed(plan)


def after_plan(state: PlanState, runtime: Runtime[PlanContext]) -> Literal["call_model", "approve_plan", "advance"]:
    """Where a plan leads: to ReAct when there is none, to a person when one must agree, else to work."""
    context = runtime.context or PlanContext()
    if not state["usable"]:
        return "call_model"
    guarded = any(step["tool"] in context.approve_tools for step in state["plan"] if step["status"] == "pending")
    return "approve_plan" if guarded or (context.approve_plan and state["plan"]) else "advance"


def replan(models: ChatModels, toolkit: Toolkit) -> Node:
    """A node: new steps in place of those that failed or were skipped; done steps stay as they are.

    When the model has no other way to offer, the plan stays, and what is done is all there will be.
    """

    async def replan(state: PlanState, config: RunnableConfig, runtime: Runtime[PlanContext]) -> dict[str, Any]:
        context = runtime.context or PlanContext()
        done = [step for step in state["plan"] if step["status"] == "done"]
        frozen = [step["id"] for step in done]
        schema = plan_schema(toolkit.offered(context), context.max_steps)
        again: dict[str, Any] = {"replans": state["replans"] + 1}

        async def ask(share: float) -> tuple[dict[str, Any], Spent]:
            messages = [*conversation(state, context, prompts.REPLAN, share), HumanMessage(report(state["plan"]))]
            return await ask_json(models, context, messages, schema, config, partial(_faults, frozen=frozen))

        try:
            async with time_left(state["spent"], context):
                value, spent = await shortened_until_it_fits(ask)
        except TimeoutError:
            return again
        except StructuredOutputError as error:
            return {**again, "spent": error.spent}
        if not value["steps"]:
            return {**again, "spent": spent}
        steps = [*done, *_fresh(value)]
        runtime.stream_writer({"type": "plan", "steps": steps})
        return {**again, "plan": Overwrite(steps), "spent": spent}

    return timed(replan)


def _faults(value: dict[str, Any], frozen: list[str] | None = None) -> list[str]:
    return faults(value["steps"], frozen or [])


def _fresh(value: dict[str, Any]) -> list[PlanStep]:
    return [cast(PlanStep, {**step, "status": "pending", "attempts": 0, "output": ""}) for step in value["steps"]]
