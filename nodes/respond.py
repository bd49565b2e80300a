"""Giving the answer as an object too, when the run asked for a JSON schema."""

from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from nodes import prompts
from nodes.budget import time_left, timed
from nodes.context import ReactContext
from nodes.memory import conversation, shortened_until_it_fits
from nodes.models import ChatModels
from nodes.state import Node, ReactState, Spent
from nodes.structured import StructuredOutputError, ask_json


def to_response(state: ReactState, runtime: Runtime[ReactContext]) -> Literal["respond", "__end__"]:
    """Whether an object is asked for."""
    return "respond" if (runtime.context or ReactContext()).response_schema else "__end__"


def respond(models: ChatModels) -> Node:
    """A node: `structured_response` becomes an object valid against the schema, or None when the model gave none."""

    async def respond(state: ReactState, config: RunnableConfig, runtime: Runtime[ReactContext]) -> dict[str, Any]:
        context = runtime.context or ReactContext()
        schema = {"title": "response", **(context.response_schema or {})}

        async def ask(share: float) -> tuple[dict[str, Any], Spent]:
            return await ask_json(models, context, conversation(state, context, prompts.RESPOND, share), schema, config)

        try:
            async with time_left(state["spent"], context):
                value, spent = await shortened_until_it_fits(ask)
        except TimeoutError:
            return {"structured_response": None}
        except StructuredOutputError as error:
            return {"structured_response": None, "spent": error.spent}
        return {"structured_response": value, "spent": spent}

    return timed(respond)
