"""Questions of two to five independent branches: how much of the waiting a pattern can do side by side.

Tasks of the shape of LLMCompiler's ParallelQA (113 questions: look several things up, change each by so many per cent,
then compare them), made here from a seed; they are not the original ones. Looking something up takes a while, all else
nothing. The control may make two tool calls only.

Run: python -m bench.parallel_qa [--milliseconds 20]
"""

import argparse
import asyncio
import math
import os
import random
from functools import partial, reduce

os.environ.setdefault("MODEL", "offline")

from langchain_core.tools import BaseTool, StructuredTool, tool

from bench.expressions import MARK, Call, ExpressionOracle
from bench.trajectories import Tally, Task, run, table, unlimited
from graphs import plan_execute, react

BRANCHES = {2: 21, 3: 31, 4: 31, 5: 30}
"""Questions with so many branches."""
KINDS = ("river", "mountain", "tower", "lake", "desert")


@tool
def adjust(amount: float, percent: float) -> float:
    """Change an amount by so many per cent."""
    return amount * (1 + percent / 100)


@tool
def greater(a: float, b: float) -> float:
    """Give the greater of two amounts."""
    return max(a, b)


@tool
def smaller(a: float, b: float) -> float:
    """Give the smaller of two amounts."""
    return min(a, b)


@tool
def subtract(a: float, b: float) -> float:
    """Subtract the second amount from the first."""
    return a - b


@tool
def divide(a: float, b: float) -> float:
    """Divide the first amount by the second."""
    return a / b


@tool
def add(a: float, b: float) -> float:
    """Add two amounts."""
    return a + b


class World:
    """Seeded facts that only looking them up can tell."""

    def __init__(self, seconds: float, seed: int = 1) -> None:
        chance = random.Random(seed)
        self.facts = {f"{kind} {number}": chance.randint(100, 9000) for kind in KINDS for number in range(1, 21)}
        self._seconds, self._chance = seconds, chance

    def tools(self) -> list[BaseTool]:
        async def look_up(thing: str) -> float:
            await asyncio.sleep(self._seconds)
            return self.facts[thing]

        slow = StructuredTool.from_function(coroutine=look_up, description="Tell how long, high or large a thing is.")
        return [slow, adjust, greater, smaller, subtract, divide, add]

    def tasks(self) -> list[Task]:
        return [self._task(branches) for branches, count in BRANCHES.items() for _ in range(count)]

    def _task(self, branches: int) -> Task:
        things = self._chance.sample(list(self.facts), branches)
        parts, amounts = list[Call](), list[float]()
        for thing in things:
            percent = self._chance.choice([-30, -15, -5, 5, 10, 20, 45])
            parts.append(Call("adjust", (Call("look_up", (thing,)), percent)))
            amounts.append(self.facts[thing] * (1 + percent / 100))
        top, bottom, total = (
            partial(reduce, lambda a, b, n=name: Call(n, (a, b))) for name in ("greater", "smaller", "add")
        )
        call, right = self._chance.choice(
            [
                (top(parts), max(amounts)),
                (bottom(parts), min(amounts)),
                (Call("subtract", (top(parts), bottom(parts))), max(amounts) - min(amounts)),
                (Call("divide", (top(parts), bottom(parts))), max(amounts) / min(amounts)),
                (Call("divide", (total(parts), branches)), sum(amounts) / branches),
            ]
        )
        expected = tuple(one.tool for one in dict.fromkeys(call.inner_first()))
        return Task(f"{MARK} {call}", lambda text: _is(text, right), expected)


def _is(text: str, right: float) -> bool:
    try:
        return math.isclose(float(text), right, rel_tol=1e-9)
    except ValueError:
        return False


async def measure(seconds: float = 0.02, most: int = 113) -> list[Tally]:
    world = World(seconds)
    kit, tasks = unlimited(world.tools()), world.tasks()
    tasks = tasks[:: max(1, len(tasks) // most)]
    serial, oracle = ExpressionOracle(serial=True), ExpressionOracle()
    wide = {"max_model_calls": 60, "max_steps": 40}
    return [
        await run("react, one call at a time", react.build(lambda choice: serial, kit), tasks, max_model_calls=60),
        await run("react", react.build(lambda choice: oracle, kit), tasks),
        await run("plan_execute", plan_execute.build(lambda choice: oracle, kit), tasks, **wide),
        await run(
            "control: two look-ups only",
            plan_execute.build(lambda choice: oracle, kit),
            tasks,
            max_tool_calls=2,
            **wide,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--milliseconds", type=float, default=20.0)
    first, *others = tallies = asyncio.run(measure(parser.parse_args().milliseconds / 1000))
    print(table(tallies))
    for tally in others[:2]:
        print(f"{tally.name}: {first.seconds / tally.seconds:.1f} times as fast as one call at a time")


if __name__ == "__main__":
    main()
