"""One set of tasks through all three graphs and a plain `create_agent`: correct, model calls, tokens, seconds, cost.

Run: python -m bench.compare [--model offline] [--input-price 0 --output-price 0] (dollars for a million tokens)

With the offline model this shows what each pattern costs, and that its machinery works; how much better one pattern
answers than another can only be told with a model that thinks.
"""

import argparse
import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from nodes.tools.calculator import CalculationError, calculate


def holds(*values: str) -> Callable[[str], bool]:
    """Whether an answer holds each of these, thousands separators aside."""
    return lambda answer: all(value in answer.replace(",", "") for value in values)


def makes_24(numbers: str) -> Callable[[str], bool]:
    """Whether an answer ends with an expression of exactly these numbers that is worth 24."""

    def check(answer: str) -> bool:
        found = re.search(r"([\d\s+\-*/().]+)=\s*24\s*$", answer)
        try:
            same = bool(found) and sorted(re.findall(r"\d+", found[1])) == sorted(numbers.split())
            return same and calculate(found[1]) == "24"
        except CalculationError:
            return False

    return check


TASKS: list[tuple[str, str, Callable[[str], bool]]] = [
    ("one tool", "what is 17.5% of 2,340?", holds("409.5")),
    ("clock", "what date is it in UTC?", lambda answer: datetime.now(UTC).strftime("%Y-%m-%d") in answer),
    ("parallel", "what is 12*13 and 100/8 and 2^10?", holds("156", "12.5", "1024")),
    ("chain of 2", "add 12 and 30, then multiply the result by 7", holds("294")),
    ("chain of 4", "add 1 and 2, then multiply it by 9, then subtract 6 from it, then divide it by 4", holds("5.25")),
    ("look it up", "which of the documents tells how to add a tool?", holds("add-a-tool.md")),
    ("puzzle 1", "Game of 24: 4 9 10 13", makes_24("4 9 10 13")),
    ("puzzle 2", "Game of 24: 3 3 8 8", makes_24("3 3 8 8")),
]


@dataclass(eq=False)  # handlers are kept in sets
class Meter(AsyncCallbackHandler):
    """Counts model calls and their tokens from outside, the same way for every agent."""

    calls: int = 0
    read: int = 0
    written: int = 0

    async def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        self.calls += 1

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        usage = getattr(response.generations[0][0], "message", None)
        if usage is not None and usage.usage_metadata:
            self.read += usage.usage_metadata["input_tokens"]
            self.written += usage.usage_metadata["output_tokens"]


def agents(model: BaseChatModel) -> dict[str, Any]:
    """The agents compared, over the same model and tools."""
    from langchain.agents import create_agent

    from graphs import plan_execute, react, tree_of_thought
    from nodes import prompts
    from nodes.tools.standard import StandardToolkit

    kit = StandardToolkit({})
    return {
        "create_agent": create_agent(model, kit.tools, system_prompt=prompts.REACT),
        "react": react.build(lambda choice: model, kit),
        "plan_execute": plan_execute.build(lambda choice: model, kit),
        "tree_of_thought": tree_of_thought.build(lambda choice: model),
    }


async def compare(model: BaseChatModel, input_price: float, output_price: float) -> None:
    print(f"{'':<16}{'correct':>8}{'calls':>7}{'tokens':>9}{'seconds':>9}{'dollars':>10}  not solved")
    for name, agent in agents(model).items():
        meter, failed, started = Meter(), list[str](), time.perf_counter()
        for label, question, check in TASKS:
            asked = {"messages": [{"role": "user", "content": question}]}
            state = await agent.ainvoke(asked, {"callbacks": [meter]})
            if not check(str(state["messages"][-1].text)):
                failed.append(label)
        cost = (meter.read * input_price + meter.written * output_price) / 1e6
        correct = f"{len(TASKS) - len(failed)}/{len(TASKS)}"
        print(
            f"{name:<16}{correct:>8}{meter.calls:>7}{meter.read + meter.written:>9}"
            f"{time.perf_counter() - started:>9.2f}{cost:>10.4f}  {', '.join(failed) or '-'}"
        )


def main() -> None:
    import os

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=os.environ.get("MODEL") or "offline")
    parser.add_argument("--input-price", type=float, default=0.0)
    parser.add_argument("--output-price", type=float, default=0.0)
    chosen = parser.parse_args()
    os.environ["MODEL"] = chosen.model
    from nodes.models import EnvironmentModels, ModelChoice

    print(f"model: {chosen.model}; {len(TASKS)} tasks")
    asyncio.run(compare(EnvironmentModels()(ModelChoice()), chosen.input_price, chosen.output_price))


if __name__ == "__main__":
    main()
