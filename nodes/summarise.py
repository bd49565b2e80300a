"""Keeping a running summary of the turns that no longer fit.

The old summary and everything that is dropped are folded into the new one, in pieces when there is much. A summariser
that fails costs nothing but memory: what was folded up to a turn's end is kept, the call falls back to the latest
turns, and the state says so.
"""

import json
import time
from collections import deque
from functools import wraps
from itertools import chain
from typing import Any, cast

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.runtime import Runtime

from nodes import prompts
from nodes.budget import exhausted, time_left, timed
from nodes.context import ModelContext
from nodes.memory import Turn, latest, turns, unsummarised
from nodes.model_call import INTERNAL, ModelCallError, PromptTooLongError, complete
from nodes.models import ChatModels
from nodes.pieces import Piece, halves, pieces
from nodes.state import Conversation, Node, Spent, add_spent
from nodes.tokens import estimated_tokens, text_tokens


class SummaryBudgetError(RuntimeError):
    """Folding the dropped turns would take more model calls than half of those the run has left."""


def summarise(models: ChatModels) -> Node:
    """A node: folds the older turns into the summary when they no longer fit and the run wants a summary."""

    async def summarise(state: Conversation, config: RunnableConfig, runtime: Runtime[ModelContext]) -> dict[str, Any]:
        return {"memory_fault": None, **await _folded(models, state, config, runtime)}

    return timed(summarise)


def summarising_first(models: ChatModels, node: Node) -> Node:
    """The node, before which turns are folded that fitted when the run began: a tool loop makes the last one grow.

    A summary that could not be made is not tried again in the same run.
    """

    @wraps(node)
    async def summarised_node(state: Any, config: RunnableConfig, runtime: Runtime[Any]) -> dict[str, Any]:
        began = time.monotonic()
        at_end = state.get("memory_fault") or exhausted(state["spent"], runtime.context or ModelContext())
        folded = {} if at_end else await _folded(models, state, config, runtime)
        if not folded:
            return await node(state, config=config, runtime=runtime)
        cost = cast(Spent, folded["spent"])
        so_far = add_spent(add_spent(state["spent"], cost), Spent(seconds=time.monotonic() - began))
        update = await node({**state, **folded, "spent": so_far}, config=config, runtime=runtime)
        return {**folded, **update, "spent": add_spent(cost, update.get("spent", Spent()))}

    return summarised_node


async def _folded(
    models: ChatModels, state: Conversation, config: RunnableConfig, runtime: Runtime[Any]
) -> dict[str, Any]:
    """The update that folds away what no longer fits, as far as it came; empty when everything fits."""
    context = runtime.context or ModelContext()
    dropped = _no_longer_fitting(state, context)
    if not dropped:
        return {}
    folding, fault = Folding(models, context, config, state), None
    try:
        async with time_left(state["spent"], context):
            await folding.fold(dropped)
    except (ModelCallError, PromptTooLongError, SummaryBudgetError, TimeoutError) as error:
        why = str(error) or "no time left"
        fault = f"The summary could not be made ({why}); older turns are left out of the prompt."
        runtime.stream_writer({"type": "memory_fault", "message": fault})
    return {**folding.update, "memory_fault": fault}


def _no_longer_fitting(state: Conversation, context: ModelContext) -> list[Turn]:
    """The turns to fold away: none while everything fits; the last turn never, `combined` keeps a few more that fit."""
    if context.memory == "buffer":
        return []
    messages = unsummarised(state)
    if estimated_tokens(messages) * (state.get("token_scale") or 1.0) <= context.history_tokens:
        return []
    split, keep = turns(messages), 1
    if context.memory == "combined":
        keep = min(context.keep_turns, len(latest(split, state, context.history_tokens)))
    return split[:-keep]


class Folding:
    """One attempt at folding turns into the summary; `update` is the state's as far as it came."""

    def __init__(self, models: ChatModels, context: ModelContext, config: RunnableConfig, state: Conversation) -> None:
        self._models, self._context, self._config = models, context, merge_configs(config, INTERNAL)
        self._summary = state.get("summary") or ""
        self._scale = state.get("token_scale") or 1.0
        self._calls_left = (context.max_model_calls - state["spent"]["model_calls"]) // 2
        self.update: dict[str, Any] = {"spent": Spent()}

    async def fold(self, dropped: list[Turn]) -> None:
        """Fold every turn, oldest first. A piece that the provider finds too long is cut and shown part by part."""
        room = self._context.history_tokens / self._scale
        waiting = deque(pieces(dropped, int(max(room - text_tokens(self._summary), room / 2))))
        while waiting:
            self._afford(waiting)
            piece = waiting.popleft()
            try:
                await self._show(piece)
            except PromptTooLongError:
                if len(smaller := halves(piece)) < 2:
                    raise
                # Others of its size would be refused as well, one call each.
                alike = (halves(other) if other.tokens > piece.tokens * 0.7 else [other] for other in waiting)
                waiting = deque([*smaller, *chain.from_iterable(alike)])
                continue
            if piece.until:
                self.update |= {"summary": self._summary, "summarised_until": piece.until}

    def _afford(self, waiting: deque[Piece]) -> None:
        """Refuse to begin a turn that cannot be brought to its end: its calls would be spent for nothing."""
        pieces_of_turn = 1 + next(number for number, piece in enumerate(waiting) if piece.until)
        if pieces_of_turn > self._calls_left:
            raise SummaryBudgetError("it takes more model calls than the run can spare")

    async def _show(self, piece: Piece) -> None:
        if not piece.told:  # a turn of pictures alone
            return
        self._calls_left -= 1
        data = json.dumps({"summary": self._summary, "messages": piece.told}, ensure_ascii=False)
        messages = [SystemMessage(prompts.SUMMARISE), HumanMessage(data)]
        answer, spent = await complete(self._models, self._context, messages, self._config)
        self._summary = str(answer.text)
        self.update["spent"] = add_spent(self.update["spent"], spent)
