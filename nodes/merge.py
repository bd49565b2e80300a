"""Between proposing and valuing: equal states become one, and what code can judge is settled without the model."""

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Send

from nodes.budget import exhausted
from nodes.context import SearchContext
from nodes.problems.problem import Problem
from nodes.state import Node, SearchState, Thought
from nodes.thoughts import ROOT, Tree, path_to, task_for, with_status


def merge(problems: dict[str, Problem]) -> Node:
    """A node: marks new thoughts that are duplicates, dead or solved."""

    async def merge(state: SearchState, runtime: Runtime[SearchContext]) -> dict[str, Tree]:
        tree, problem = state["tree"], problems[state["problem"]]
        known = {problem.key(one["state"]) for one in tree.values() if one["status"] not in ("proposed", "duplicate")}
        changed: Tree = {}
        for thought in with_status(tree, "proposed"):
            key = problem.key(thought["state"])
            verdict = problem.verdict(tree[ROOT]["state"], path_to(tree, thought), thought["state"])
            settled: Thought = {**thought, "status": "duplicate" if key in known else "dead"}
            if key not in known and verdict == "solved":
                settled["status"] = "solved"
            if key in known or verdict != "open":
                changed[thought["id"]] = settled
            known.add(key)
        runtime.stream_writer({"type": "thoughts", "thoughts": list(changed.values())})
        return {"tree": changed}

    return merge


def to_evaluate(state: SearchState, runtime: Runtime[SearchContext]) -> list[Send] | Literal["select"]:
    """Where new thoughts lead: to be valued side by side, to one vote, or straight to the selection."""
    context, tree, spent = runtime.context or SearchContext(), state["tree"], state["spent"]
    new = with_status(tree, "proposed")
    if not new or with_status(tree, "solved") or exhausted(spent, context):
        return "select"
    if len(new) == 1 and context.strategy == "breadth":
        return "select"  # nothing to choose between
    if context.evaluate == "vote":
        return [Send("evaluate", task_for(state, new))]
    affordable = max(1, (context.max_model_calls - spent["model_calls"]) // context.samples)
    return [Send("evaluate", task_for(state, [one])) for one in new[:affordable]]
