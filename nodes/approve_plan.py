"""Waiting for a person's decision on a plan, before any of its new steps runs."""

from typing import Any, cast

from jsonschema import Draft202012Validator
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from nodes.approval import Action, decide
from nodes.context import PlanContext
from nodes.plan_schema import faults, plan_schema
from nodes.state import Node, PlanState, PlanStep
from nodes.tools.toolkit import Toolkit

FIELDS = ("id", "task", "tool", "args", "depends_on")
ASK = "The agent wants to carry out this plan."


def approve_plan(toolkit: Toolkit) -> Node:
    """A node of its own: only this runs again on resume. A faulty edit is asked about again, with its faults."""

    async def approve_plan(state: PlanState, runtime: Runtime[PlanContext]) -> dict[str, Any]:
        context, plan = runtime.context or PlanContext(), state["plan"]
        done = [step for step in plan if step["status"] == "done"]
        fresh = [step for step in plan if step["status"] == "pending"]
        steps = proposed = [{key: dict(step)[key] for key in FIELDS} for step in fresh]
        description = ASK
        while True:
            (decision,) = decide([Action(name="execute_plan", args={"steps": proposed}, description=description)])
            steps = decision["edited_action"]["args"].get("steps") if decision["type"] == "edit" else proposed
            schema = plan_schema(toolkit.offered(context), context.max_steps)
            wrong = [error.message for error in Draft202012Validator(schema).iter_errors({"steps": steps})]
            wrong = wrong or faults(steps, [step["id"] for step in done])
            if not wrong:
                break
            description = f"{ASK} Your edit cannot be used: {'; '.join(wrong)[:500]}"
        status, output = "pending", ""
        if decision["type"] == "reject":
            status, output = "skipped", f"the user rejected the plan. {decision.get('message') or ''}".strip()
        decided = [cast(PlanStep, {**step, "status": status, "attempts": 0, "output": output}) for step in steps]
        runtime.stream_writer({"type": "plan", "steps": [*done, *decided]})
        return {"plan": Overwrite([*done, *decided])}

    return approve_plan
