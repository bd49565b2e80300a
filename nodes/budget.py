"""What a run may spend, and when it has.

A budget that runs out is no error: the graph stops asking for more and answers with what it has.
"""

import asyncio
import time
from functools import wraps
from typing import Any

from langgraph.config import get_config
from langgraph.types import Overwrite

from nodes.context import ModelContext
from nodes.state import Node, Spent


async def begin(state: object) -> dict[str, Overwrite]:
    """First node of every graph: a new run starts a new count."""
    nothing = Spent(model_calls=0, tool_calls=0, input_tokens=0, output_tokens=0, dollars=0.0, seconds=0.0)
    return {"spent": Overwrite(nothing)}


def timed(node: Node) -> Node:
    """The node, with the time it takes counted as spent."""

    @wraps(node)
    async def timed_node(*args: Any, **kwargs: Any) -> dict[str, Any]:
        started = time.monotonic()
        update = await node(*args, **kwargs)
        step = get_config()["metadata"]["langgraph_step"]
        return {
            **update,
            "spent": {**update.get("spent", {}), "step": step, "step_seconds": time.monotonic() - started},
        }

    return timed_node


def exhausted(spent: Spent, context: ModelContext) -> str | None:
    """Which bound is reached, in words for the user; None while there is something left."""
    if spent["model_calls"] >= context.max_model_calls:
        return f"{context.max_model_calls} model calls"
    if context.max_run_tokens is not None and spent["input_tokens"] + spent["output_tokens"] >= context.max_run_tokens:
        return f"{context.max_run_tokens} tokens"
    if context.max_dollars is not None and spent["dollars"] >= context.max_dollars:
        return f"{context.max_dollars:g} dollars"
    if spent["seconds"] >= context.max_seconds:
        return f"{context.max_seconds:g} seconds"
    return None


def time_left(spent: Spent, context: ModelContext) -> asyncio.Timeout:
    """To be entered around work: `TimeoutError` leaves it when the run's seconds are used up."""
    return asyncio.timeout(max(0.0, context.max_seconds - spent["seconds"]))
