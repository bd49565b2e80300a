"""Maths in which the operators mean something else: only an agent that uses the tools' results can be right.

Tasks of the shape of LangChain's Multiverse Math (20 of them, one to nine calls deep), made here from a seed; they are
not the original ones. The control knows ordinary maths and calls nothing.

Run: python -m bench.multiverse_math
"""

import asyncio
import math
import os
import random
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("MODEL", "offline")

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import tool

from bench.expressions import MARK, Call, ExpressionOracle, read_call
from bench.trajectories import Tally, Task, run, table, unlimited
from graphs import plan_execute, react


@tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b + 1.2


@tool
def subtract(a: float, b: float) -> float:
    """Subtract the second number from the first."""
    return a - b - 2.5


@tool
def multiply(a: float, b: float) -> float:
    """Multiply two numbers."""
    return 1.3 * a * b


@tool
def divide(a: float, b: float) -> float:
    """Divide the first number by the second."""
    return 0.7 * a / b


@tool
def negate(a: float) -> float:
    """Negate a number."""
    return a


TOOLS = [add, subtract, multiply, divide, negate]
ORDINARY = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negate": lambda a: -a,
}
ALTERED: dict[str, Any] = {one.name: one.func for one in TOOLS}


def value(call: Call, operators: dict[str, Any]) -> float:
    """What the call is worth when its operators mean this."""
    return operators[call.tool](*(value(arg, operators) if isinstance(arg, Call) else arg for arg in call.args))


def tasks(count: int = 20, seed: int = 1) -> list[Task]:
    """Seeded tasks whose answer differs from the one of ordinary maths."""
    chance, made = random.Random(seed), list[Task]()
    while len(made) < count:
        call = _call(chance, chance.randint(1, 4))
        right = value(call, ALTERED)
        if math.isclose(right, value(call, ORDINARY)):
            continue
        expected = tuple(one.tool for one in dict.fromkeys(call.inner_first()))
        made.append(Task(f"{MARK} {call}", lambda text, right=right: _is(text, right), expected))
    return made


def _call(chance: random.Random, depth: int) -> Call:
    name = chance.choice(list(ORDINARY))
    arity = 1 if name == "negate" else 2
    deep = chance.randrange(arity)  # one argument goes all the way down, the other as chance has it
    args = [
        _call(chance, depth - 1) if depth > 1 and (place == deep or chance.random() < 0.3) else chance.randint(2, 99)
        for place in range(arity)
    ]
    return Call(name, tuple(args))


def _is(text: str, right: float) -> bool:
    try:
        return math.isclose(float(text), right, rel_tol=1e-9)
    except ValueError:
        return False


class OrdinaryOracle(ExpressionOracle):
    """Answers from what it knows of maths, without a look at the tools."""

    def answer(self, messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: Any) -> AIMessage:
        if schema is not None:
            return AIMessage('{"steps": []}')
        question = next(message for message in reversed(messages) if isinstance(message, HumanMessage))
        return AIMessage(str(value(read_call(str(question.text)), ORDINARY)))


async def measure() -> list[Tally]:
    kit, serial, oracle, ordinary = (
        unlimited(TOOLS),
        ExpressionOracle(serial=True),
        ExpressionOracle(),
        OrdinaryOracle(),
    )
    return [
        await run("react, one call at a time", react.build(lambda choice: serial, kit), tasks()),
        await run("react", react.build(lambda choice: oracle, kit), tasks()),
        await run("plan_execute", plan_execute.build(lambda choice: oracle, kit), tasks(), max_steps=20),
        await run("control: ordinary maths", react.build(lambda choice: ordinary, kit), tasks()),
    ]


if __name__ == "__main__":
    print(table(asyncio.run(measure())))
