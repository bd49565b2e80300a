"""Proposing the thoughts that may follow a state; the states of a level are expanded side by side."""

import asyncio
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
from nodes.thoughts import SearchTask, Tree, asking


def proposals(count: int) -> dict[str, Any]:
    """JSON schema of up to `count` thoughts."""
    thoughts = {"type": "array", "items": {"type": "string"}, "description": f"At most {count}."}
    return {"title": "thoughts", "type": "object", "properties": {"thoughts": thoughts}, "required": ["thoughts"]}


def expand(models: ChatModels, problems: dict[str, Problem]) -> Node:
    """A node: the legal thoughts after one state, by one call for several (propose) or several calls for one (sample).

    An answer that stays unusable counts as no thoughts.
    """

    async def ask(
        messages: list[BaseMessage], count: int, context: SearchContext, config: RunnableConfig
    ) -> tuple[list[str], Spent]:
        try:
            value, spent = await ask_json(models, context, messages, proposals(count), config)
        except StructuredOutputError as error:
            return [], error.spent
        return value["thoughts"][:count], spent

    async def expand(task: SearchTask, config: RunnableConfig, runtime: Runtime[SearchContext]) -> dict[str, Any]:
        context, problem = runtime.context or SearchContext(), problems[task["problem"]]
        (parent,), (path,) = task["thoughts"], task["paths"]
        shown = problem.shown(task["root"], path, parent["state"])
        many = context.max_thoughts or problem.thoughts
        counts = [1] * context.thoughts if context.generate == "sample" else [many]
        messages = asking(problem.propose_prompt, task, shown)
        asked = [ask(messages, count, context, config) for count in counts]
        try:
            async with time_left(task["spent"], context):
                answers = await asyncio.gather(*asked)
        except TimeoutError:
            answers = []
        spent, texts = Spent(), list[str]()
        for thoughts, cost in answers:
            texts += thoughts
            spent = add_spent(spent, cost)
        after = {parent["id"]: Thought(**{**parent, "status": "expanded"}), **_children(problem, parent, texts)}
        runtime.stream_writer({"type": "thoughts", "thoughts": list(after.values())})
        return {"tree": after, "spent": spent}

    return timed(expand)


def _children(problem: Problem, parent: Thought, texts: list[str]) -> Tree:
    children: Tree = {}
    for number, text in enumerate(text.strip()[: problem.longest_thought] for text in texts):
        state, name = problem.follow(parent["state"], text), f"{parent['id']}.{number}"
        if state is not None:
            children[name] = Thought(
                id=name,
                parent=parent["id"],
                depth=parent["depth"] + 1,
                text=text,
                state=state,
                value=0.0,
                status="proposed",
            )
    return children
