"""Keeping a running summary of the turns that no longer fit.

The old summary and everything that is dropped are folded into the new one, in pieces when there is much. A summariser
that fails costs nothing but memory: the call falls back to the latest turns, and the state says so.
"""

import json
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.runtime import Runtime

from nodes import prompts
from nodes.budget import time_left, timed
from nodes.context import ModelContext
from nodes.memory import Turn, estimated_tokens, turns, unsummarised
from nodes.model_call import INTERNAL, ModelCallError, PromptTooLongError, complete
from nodes.models import ChatModels
from nodes.state import Conversation, Node, Spent, add_spent


def summarise(models: ChatModels) -> Node:
    """A node: folds the older turns into the summary when they no longer fit and the run wants a summary."""

    async def summarise(state: Conversation, config: RunnableConfig, runtime: Runtime[ModelContext]) -> dict[str, Any]:
        context = runtime.context or ModelContext()
        dropped = _no_longer_fitting(state, context)
        if not dropped:
            return {"memory_fault": None}
        summary, spent = state.get("summary") or "", Spent()
        try:
            async with time_left(state["spent"], context):
                for piece in _pieces(dropped, context.history_tokens):
                    summary, cost = await _folded(models, context, config, summary, piece)
                    spent = add_spent(spent, cost)
        except (ModelCallError, PromptTooLongError, TimeoutError) as error:
            why = str(error) or "no time left"
            fault = f"The summary could not be made ({why}); older turns are left out of the prompt."
            runtime.stream_writer({"type": "memory_fault", "message": fault})
            return {"memory_fault": fault, "spent": spent}
        until = dropped[-1][-1].id
        return {"summary": summary, "summarised_until": until, "memory_fault": None, "spent": spent}

    return timed(summarise)


def _no_longer_fitting(state: Conversation, context: ModelContext) -> list[Turn]:
    """The turns to fold away: none while everything fits; the last turn never, `combined` keeps a few more."""
    if context.memory == "buffer":
        return []
    messages = unsummarised(state)
    if estimated_tokens(messages) * (state.get("token_scale") or 1.0) <= context.history_tokens:
        return []
    keep = context.keep_turns if context.memory == "combined" else 1
    return turns(messages)[:-keep]


def _pieces(dropped: list[Turn], tokens: int) -> list[list[AnyMessage]]:
    """The dropped messages in pieces that fit into one call each, every one of them in some piece."""
    pieces: list[list[AnyMessage]] = [[]]
    for turn in dropped:
        if pieces[-1] and estimated_tokens([*pieces[-1], *turn]) > tokens:
            pieces.append([])
        pieces[-1] += turn
    return pieces


async def _folded(
    models: ChatModels, context: ModelContext, config: RunnableConfig, summary: str, piece: list[AnyMessage]
) -> tuple[str, Spent]:
    told = [{"role": message.type, "text": str(message.text)} for message in piece if message.text]
    data = json.dumps({"summary": summary, "messages": told}, ensure_ascii=False)
    messages = [SystemMessage(prompts.SUMMARISE), HumanMessage(data)]
    answer, spent = await complete(models, context, messages, merge_configs(config, INTERNAL))
    return str(answer.text), spent
