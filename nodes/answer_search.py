"""The answer of the search: what code verified, else what the model makes of the best path found."""

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from nodes import prompts
from nodes.budget import exhausted, time_left, timed
from nodes.context import SearchContext
from nodes.memory import conversation, shortened_until_it_fits
from nodes.model_call import complete
from nodes.models import ChatModels
from nodes.problems.problem import Problem
from nodes.state import Node, SearchState, Spent
from nodes.thoughts import ROOT, best_of, path_to
from nodes.tools.user_memory import known
from nodes.worst_case import refusal


def answer(models: ChatModels, problems: dict[str, Problem]) -> Node:
    """A node: the verified answer, the model's from the best path, or that path alone when the budget is used up."""

    async def answer(state: SearchState, config: RunnableConfig, runtime: Runtime[SearchContext]) -> dict[str, Any]:
        context, tree = runtime.context or SearchContext(), state["tree"]
        if why := refusal(state, context):
            return {"messages": [AIMessage(why)]}
        path, data = list[str](), list[BaseMessage]()
        if best := best_of(tree):
            problem, root, path = problems[state["problem"]], tree[ROOT]["state"], path_to(tree, best)
            if text := problem.answer(root, path):
                return {"messages": [AIMessage(text)]}
            if path:
                data.append(HumanMessage(problem.shown(root, path, best["state"])))
        if reason := exhausted(state["spent"], context):
            return {"messages": [AIMessage(_best_so_far(path, reason))]}
        facts = await known(runtime.store, config) if context.long_term_memory else ""

        async def ask(share: float) -> tuple[AIMessage, Spent]:
            messages = [*conversation(state, context, prompts.SEARCH_ANSWER, share, facts), *data]
            return await complete(models, context, messages, config)

        try:
            async with time_left(state["spent"], context):
                reply, spent = await shortened_until_it_fits(ask)
        except TimeoutError:
            return {"messages": [AIMessage(_best_so_far(path, f"{context.max_seconds:g} seconds"))]}
        return {"messages": [reply], "spent": spent}

    return timed(answer)


def _best_so_far(path: list[str], reason: str) -> str:
    return "\n".join([f"I stopped here: the budget of {reason} is used up. The best so far:", *path])
