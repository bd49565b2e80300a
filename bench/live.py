"""What a real endpoint can do: a plain, a streamed, a tool and a json_schema call, and one turn of each graph.

Run: MODEL=openai:<name> OPENAI_API_KEY=... [OPENAI_BASE_URL=...] python -m bench.live
Uses a few thousand tokens; each graph is held to 20 model calls and 20,000 tokens.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage

from nodes.models import ChatModels, EnvironmentModels, ModelChoice, describe_model
from nodes.tools.calculator import calculator

SCHEMA = {
    "title": "capital",
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
SMALL = {"max_model_calls": 20, "max_run_tokens": 20_000, "max_seconds": 120.0}


async def plain(models: ChatModels) -> str:
    answer = await models(ModelChoice()).ainvoke([HumanMessage("Reply with the one word: ready")])
    assert answer.text.strip(), "an empty answer"
    assert answer.usage_metadata, "no usage is reported: budgets of tokens and dollars cannot work"
    return f"{answer.text.strip()[:40]!r}"


async def streamed(models: ChatModels) -> str:
    chunks = [chunk async for chunk in models(ModelChoice()).astream([HumanMessage("Count from 1 to 20 in words.")])]
    words = [chunk for chunk in chunks if chunk.text]
    assert len(words) > 1, "the answer came in one piece"
    assert any(chunk.usage_metadata for chunk in chunks), "no usage is reported in streams"
    return f"{len(words)} pieces"


async def tool_call(models: ChatModels) -> str:
    model = models(ModelChoice()).bind_tools([calculator])
    answer = await model.ainvoke([HumanMessage("Use the calculator: what is 17.5% of 2,340?")])
    assert isinstance(answer, AIMessage)
    assert answer.tool_calls, "no tool was called"
    return f"{answer.tool_calls[0]['args']}"


async def json_schema(models: ChatModels) -> str:
    from nodes.context import ModelContext
    from nodes.structured import ask_json

    question = [HumanMessage("Which city is the capital of France?")]
    value, spent = await ask_json(models, ModelContext(), question, SCHEMA, {})
    assert spent["model_calls"] == 1, "the object was only right after a repair"
    return f"{value}"


def turn(name: str, question: str, expected: str, **settings: Any) -> Callable[[ChatModels], Awaitable[str]]:
    """One turn of a graph, of which the answer should hold `expected`."""

    async def ask(models: ChatModels) -> str:
        from importlib import import_module

        graph = import_module(f"graphs.{name}").build(models)
        state = await graph.ainvoke({"messages": [HumanMessage(question)]}, context={**SMALL, **settings})
        text = str(state["messages"][-1].text)
        assert expected in text.replace(",", ""), f"the answer was {text[:200]!r}"
        spent = state["spent"]
        return f"{spent['model_calls']} calls, {spent['input_tokens'] + spent['output_tokens']} tokens"

    return ask


CHECKS: dict[str, Callable[[ChatModels], Awaitable[str]]] = {
    "plain call": plain,
    "streamed call": streamed,
    "tool call": tool_call,
    "json_schema call": json_schema,
    "react": turn("react", "what is 17.5% of 2,340?", "409.5"),
    "plan_execute": turn("plan_execute", "add 12 and 30, then multiply the result by 7", "294"),
    "tree_of_thought": turn(
        "tree_of_thought", "Game of 24: 6 6 6 6", "24", beam=1, samples=1, max_thoughts=2, max_model_calls=40
    ),
}


async def probe(models: ChatModels) -> dict[str, str | None]:
    """What could not be done, check by check; None where it could."""
    found: dict[str, str | None] = {}
    for name, check in CHECKS.items():
        started = time.perf_counter()
        try:
            told = await check(models)
            found[name] = None
        except Exception as error:  # noqa: BLE001 (whatever an unknown endpoint does is what this reports)
            told = found[name] = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
        sign = "ok  " if found[name] is None else "FAIL"
        print(f"{sign} {name:<18}{time.perf_counter() - started:6.1f} s  {told}", flush=True)
    return found


def main() -> None:
    name = describe_model()
    print(f"model: {name} at {os.environ.get('OPENAI_BASE_URL') or 'its own address'}")
    failed = [check for check, why in asyncio.run(probe(EnvironmentModels())).items() if why]
    print(f"This endpoint cannot do: {', '.join(failed)}" if failed else "This endpoint can do all of it.")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
