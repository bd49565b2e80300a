"""Choosing what to expand next: the best of a level (breadth first) or the best of the deepest (depth first)."""

from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Send

from nodes.budget import exhausted
from nodes.context import SearchContext
from nodes.problems.problem import Problem
from nodes.state import Node, SearchState, Thought
from nodes.thoughts import ROOT, Tree, levels_of, task_for, with_status
from nodes.worst_case import refusal

STEPS_OF_A_LEVEL = 6
"""Super-steps one more level takes, with the answer after it and one to spare."""


def select(problems: dict[str, Problem]) -> Node:
    """A node: keeps the best new states and drops the others; of equal ones those the problem puts first.

    Depth first, a state whose value says it leads nowhere is dropped even when there is room for it.
    """

    async def select(state: SearchState, runtime: Runtime[SearchContext]) -> dict[str, Tree]:
        context = runtime.context or SearchContext()
        ranked = _ranked(with_status(state["tree"], "proposed"), problems[state["problem"]])
        enough = context.prune_below * context.samples if context.strategy == "depth" else 0.0
        changed: Tree = {}
        for place, thought in enumerate(ranked):
            worthy = place < context.beam and thought["value"] >= enough
            changed[thought["id"]] = {**thought, "status": "kept" if worthy else "dropped"}
        runtime.stream_writer({"type": "thoughts", "thoughts": list(changed.values())})
        return {"tree": changed}

    return select


def _ranked(thoughts: list[Thought], problem: Problem) -> list[Thought]:
    return sorted(thoughts, key=lambda thought: (-thought["value"], problem.tie_break(thought["state"])))


def to_expand(problems: dict[str, Problem]) -> Any:
    """Where the search goes on: one task per state to expand, or the answer when it is at an end."""

    def route(state: SearchState, runtime: Runtime[SearchContext]) -> list[Send] | Literal["answer"]:
        context, tree, spent = runtime.context or SearchContext(), state["tree"], state["spent"]
        if not tree or refusal(state, context) or with_status(tree, "solved"):
            return "answer"
        problem = problems[state["problem"]]
        levels = levels_of(problem, tree[ROOT]["state"], context)
        is_open = with_status(tree, "kept")
        at_end = exhausted(spent, context) or state["remaining_steps"] < STEPS_OF_A_LEVEL
        if at_end or any(thought["depth"] >= levels for thought in is_open):
            return "answer"
        if context.strategy == "depth":
            if len(with_status(tree, "expanded")) >= context.max_states:
                return "answer"
            is_open = sorted(_ranked(is_open, problem), key=lambda thought: -thought["depth"])[:1]
        tasks = [task_for(state, [thought]) for thought in is_open]
        return [Send("expand", task) for task in tasks] or "answer"

    return route
