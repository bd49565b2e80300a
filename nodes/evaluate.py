"""Valuing states, by labels for each state alone or by votes between them; several samples of either."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from nodes.budget import time_left, timed
from nodes.context import SearchContext
from nodes.models import ChatModels
from nodes.problems.problem import Problem
from nodes.state import Node, Spent, Thought, add_spent
from nodes.structured import StructuredOutputError, ask_json
from nodes.thoughts import SearchTask, asking

WORTH = {"sure": 20.0, "likely": 1.0, "impossible": 0.001}
"""What one label adds to a state's value (the paper's numbers)."""
LABEL: dict[str, Any] = {
    "title": "value",
    "type": "object",
    "properties": {"label": {"type": "string", "enum": list(WORTH)}},
    "required": ["label"],
}


def ballot(candidates: int) -> dict[str, Any]:
    """JSON schema of a vote: the number of the best candidate, from 1."""
    best = {"type": "integer", "minimum": 1, "maximum": candidates}
    return {"title": "vote", "type": "object", "properties": {"best": best}, "required": ["best"]}


def evaluate(models: ChatModels, problems: dict[str, Problem]) -> Node:
    """A node: the value of one state (the worth of its labels added up), or of several (the votes each one got).

    A judgement that stays unusable counts for nothing.
    """

    async def sample(
        messages: list[BaseMessage], schema: dict[str, Any], context: SearchContext, config: RunnableConfig
    ) -> tuple[dict[str, Any] | None, Spent]:
        try:
            return await ask_json(models, context, messages, schema, config)
        except StructuredOutputError as error:
            return None, error.spent

    async def evaluate(task: SearchTask, config: RunnableConfig, runtime: Runtime[SearchContext]) -> dict[str, Any]:
        context, problem = runtime.context or SearchContext(), problems[task["problem"]]
        pairs = zip(task["thoughts"], task["paths"], strict=True)
        states = [problem.shown(task["root"], path, thought["state"]) for thought, path in pairs]
        vote = context.evaluate == "vote"
        shown = "\n\n".join(f"{n}.\n{text}" for n, text in enumerate(states, 1)) if vote else states[0]
        schema = ballot(len(states)) if vote else LABEL
        messages = asking(problem.value_prompt, task, shown)
        asked = [sample(messages, schema, context, config) for _ in range(context.samples)]
        try:
            async with time_left(task["spent"], context):
                answers = await asyncio.gather(*asked)
        except TimeoutError:
            answers = []
        spent = Spent()
        for _, cost in answers:
            spent = add_spent(spent, cost)
        valued = _valued(task["thoughts"], [answer for answer, _ in answers if answer])
        runtime.stream_writer({"type": "thoughts", "thoughts": valued})
        return {"tree": {thought["id"]: thought for thought in valued}, "spent": spent}

    return timed(evaluate)


def _valued(thoughts: Sequence[Thought], answers: Sequence[dict[str, Any]]) -> list[Thought]:
    worth: list[list[float]] = [[] for _ in thoughts]
    for answer in answers:
        if "best" in answer:
            worth[answer["best"] - 1].append(1.0)
        else:
            worth[0].append(WORTH[answer["label"]])
    # Added up exactly: the same labels in another order must make a tie, not a hair's breadth.
    return [{**thought, "value": math.fsum(some)} for thought, some in zip(thoughts, worth, strict=True)]
