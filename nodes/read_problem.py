"""Reading the problem a message poses, and telling what searching it may cost before anything is spent."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from nodes import prompts
from nodes.context import SearchContext
from nodes.memory import conversation
from nodes.problems.problem import Problem
from nodes.state import Node, SearchState, Thought
from nodes.thoughts import ROOT
from nodes.tokens import estimated_tokens
from nodes.tools.user_memory import known
from nodes.worst_case import WorstCase, worst_case

LONGEST_BEFORE = 2000
"""Characters of the conversation before a problem that its search is told."""


def read_problem(problems: Sequence[Problem]) -> Node:
    """A node: the first adapter that can read the last message poses the problem; its root state starts the tree."""

    async def read_problem(
        state: SearchState, config: RunnableConfig, runtime: Runtime[SearchContext]
    ) -> dict[str, Any]:
        context, messages = runtime.context or SearchContext(), state["messages"]
        message = str(messages[-1].text) if messages else ""
        for problem in problems:
            if root := problem.read(message):
                before = _said(messages[:-1]) if problem.wants_conversation else ""
                facts = await known(runtime.store, config) if context.long_term_memory else ""
                answer = estimated_tokens(conversation(state, context, prompts.SEARCH_ANSWER, known=facts))
                most = worst_case(problem, root, context, before, answer)
                runtime.stream_writer({"type": "worst_case", "problem": problem.name, **most._asdict()})
                first = Thought(id=ROOT, parent=None, depth=0, text="", state=root, value=0.0, status="kept")
                return {"problem": problem.name, "tree": Overwrite({ROOT: first}), "before": before, **_told(most)}
        return {"problem": "", "tree": Overwrite({}), "before": "", **_told(WorstCase(1))}

    return read_problem


def _told(most: WorstCase) -> dict[str, Any]:
    return {"worst_case": most.model_calls, "worst_tokens": most.tokens, "worst_dollars": most.dollars}


def _said(messages: Sequence[AnyMessage]) -> str:
    """The end of what was said, each message on a line; every state of the search is sent with it, so it is short."""
    lines = [f"{message.type}: {message.text}" for message in messages if message.type in ("human", "ai")]
    return "\n".join(lines)[-LONGEST_BEFORE:]
