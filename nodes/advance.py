"""Moving a plan on: what is ready goes out as one wave, what cannot run any more is skipped."""

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Send

from nodes.budget import exhausted
from nodes.context import PlanContext
from nodes.plan_report import outputs_of
from nodes.state import PlanState, PlanStep

NEED_FAILED = "skipped: a step it needs gave nothing"


async def advance(state: PlanState, runtime: Runtime[PlanContext]) -> dict[str, list[PlanStep]]:
    """A node: marks the next wave running and skips what waits in vain, or everything when the budget is used up."""
    context, steps = runtime.context or PlanContext(), state["plan"]
    reason = exhausted(state["spent"], context) or ("steps" if state["remaining_steps"] < 4 else None)
    pending = [step for step in steps if step["status"] == "pending"]
    if reason:
        changed = [_skipped(step, f"skipped: the budget of {reason} is used up") for step in pending]
    else:
        left = context.max_tool_calls - state["spent"]["tool_calls"]
        in_vain = [_skipped(step, NEED_FAILED) for step in pending]  # whatever else: a plan always comes to an end
        changed = _skipped_in_vain(steps) or _wave(steps, left) or in_vain
    for step in changed:
        runtime.stream_writer({"type": "plan_step", "step": step})
    return {"plan": changed}


def _skipped_in_vain(steps: list[PlanStep]) -> list[PlanStep]:
    lost = {step["id"] for step in steps if step["status"] in ("failed", "skipped")}
    pending = [step for step in steps if step["status"] == "pending"]
    found: list[PlanStep] = []
    while more := [step for step in pending if step["id"] not in lost and lost.intersection(step["depends_on"])]:
        found += more
        lost |= {step["id"] for step in more}
    return [_skipped(step, NEED_FAILED) for step in found]


def _wave(steps: list[PlanStep], tool_calls_left: int) -> list[PlanStep]:
    done = outputs_of(steps)
    wave: list[PlanStep] = []
    for step in steps:
        if step["status"] != "pending" or not set(step["depends_on"]) <= set(done):
            continue
        if step["tool"] and tool_calls_left <= 0:
            wave.append(_skipped(step, "skipped: the budget of tool calls is used up"))
            continue
        tool_calls_left -= bool(step["tool"])
        wave.append({**step, "status": "running", "attempts": step["attempts"] + 1})
    return wave


def _skipped(step: PlanStep, why: str) -> PlanStep:
    return {**step, "status": "skipped", "output": why}


def after_advance(
    state: PlanState, runtime: Runtime[PlanContext]
) -> list[Send] | Literal["advance", "replan", "answer"]:
    """One task per running step; when none is left, a new plan if a step failed and one is allowed, else the answer."""
    context, steps = runtime.context or PlanContext(), state["plan"]
    outputs = outputs_of(steps)
    if running := [step for step in steps if step["status"] == "running"]:
        needed = [{name: outputs[name] for name in step["depends_on"]} for step in running]
        spent = state["spent"]
        return [
            Send("run_step", {"step": step, "outputs": inputs, "spent": spent})
            for step, inputs in zip(running, needed, strict=True)
        ]
    if any(step["status"] == "pending" for step in steps):
        return "advance"
    failed = any(step["status"] == "failed" for step in steps)
    affordable = exhausted(state["spent"], context) is None and state["remaining_steps"] > 6
    return "replan" if failed and affordable and state["replans"] < context.max_replans else "answer"


def after_replan(state: PlanState, runtime: Runtime[PlanContext]) -> Literal["approve_plan", "advance", "answer"]:
    """To work when there are new steps, to a person first when they use a guarded tool, else to the answer."""
    context = runtime.context or PlanContext()
    fresh = [step for step in state["plan"] if step["status"] == "pending"]
    if not fresh:
        return "answer"
    guarded = context.approve_plan or any(step["tool"] in context.approve_tools for step in fresh)
    return "approve_plan" if guarded else "advance"
