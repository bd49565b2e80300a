"""ReAct's thinking step: one model call with the tools offered, and where its answer leads."""

from typing import Any, Literal

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.types import Send

from nodes import prompts
from nodes.budget import exhausted, time_left, timed
from nodes.context import ReactContext
from nodes.history import with_malformed_calls_answered
from nodes.memory import conversation, corrected_scale, shortened_until_it_fits
from nodes.model_call import complete
from nodes.models import ChatModels
from nodes.respond import to_response
from nodes.state import Node, ReactState, Spent
from nodes.summarise import summarising_first
from nodes.tools.toolkit import Toolkit
from nodes.tools.user_memory import known

Route = Literal["call_model", "approve_tools", "respond", "__end__"]


def call_model(models: ChatModels, toolkit: Toolkit) -> Node:
    """A node: one model call, or a plain answer when the budget is used up."""

    async def call_model(state: ReactState, config: RunnableConfig, runtime: Runtime[ReactContext]) -> dict[str, Any]:
        context, spent = runtime.context or ReactContext(), state["spent"]
        reason = exhausted(spent, context) or ("steps" if state["remaining_steps"] < 4 else None)
        if reason:
            return _out_of(reason)
        facts = await known(runtime.store, config) if context.long_term_memory else ""

        async def ask(share: float) -> tuple[AIMessage, Spent, float | None]:
            messages = conversation(state, context, prompts.REACT, share, facts)
            answer, cost = await complete(models, context, messages, config, tools=toolkit.offered(context))
            usage = answer.usage_metadata
            return answer, cost, corrected_scale(messages, usage["input_tokens"] if usage else None)

        try:
            async with time_left(spent, context):
                answer, cost, scale = await shortened_until_it_fits(ask)
        except TimeoutError:
            return _out_of(f"{context.max_seconds:g} seconds")
        update = {"messages": with_malformed_calls_answered(answer), "spent": cost}
        return {**update, "token_scale": scale} if scale else update

    return timed(summarising_first(models, call_model))


def _out_of(reason: str) -> dict[str, Any]:
    return {"messages": [AIMessage(f"I stopped here: the budget of {reason} is used up.")]}


def after_model(state: ReactState, runtime: Runtime[ReactContext]) -> list[Send] | Route:
    """Where the answer leads: to the tools it calls, to their approval first, back to the model, or to the end."""
    context = runtime.context or ReactContext()
    if any(call["name"] in context.approve_tools for call in open_calls(state["messages"])):
        return "approve_tools"
    return to_tools(state, runtime)


def to_tools(state: ReactState, runtime: Runtime[ReactContext]) -> list[Send] | Route:
    """One task per open call, so that calls run in parallel and each result is kept on its own."""
    context = runtime.context or ReactContext()
    if calls := open_calls(state["messages"]):
        spent = state["spent"]
        left = context.max_tool_calls - spent["tool_calls"]
        tasks = [{"call": call, "affordable": place < left, "spent": spent} for place, call in enumerate(calls)]
        return [Send("run_tool", task) for task in tasks]
    if isinstance(state["messages"][-1], ToolMessage):
        return "call_model"
    return to_response(state, runtime)


def open_calls(messages: list[AnyMessage]) -> list[ToolCall]:
    """The calls of the model's last answer that have no result yet."""
    answered: set[str] = set()
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            return [call for call in message.tool_calls if call["id"] not in answered]
        if not isinstance(message, ToolMessage):
            break
        answered.add(message.tool_call_id)
    return []
