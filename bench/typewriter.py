"""Typing words with 26 tools, one for each letter: long loops, budgets, and the order in which effects happen.

Tasks of the shape of LangChain's Typewriter (26 tools), with words made here from a seed; they are not the original
ones. The letters are effects outside, so calls made in one answer race: a tool lets others go first as often as its
letter says. Whoever needs an order must wait for each result, or plan steps that depend on each other.

Run: python -m bench.typewriter
"""

import asyncio
import json
import os
import random
from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

os.environ.setdefault("MODEL", "offline")

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool

from bench.trajectories import Tally, Task, run, table, unlimited
from graphs import plan_execute, react
from nodes.offline import OfflineChatModel

MARK = "Type this: "


class Paper:
    """What has been typed. Each task starts on a new sheet."""

    def __init__(self) -> None:
        self.text = ""

    def tools(self) -> list[BaseTool]:
        return [self._key(letter) for letter in ascii_lowercase]

    def _key(self, letter: str) -> BaseTool:
        async def press() -> str:
            for _ in range(ord(letter) % 5):
                await asyncio.sleep(0)
            self.text += letter
            return "ok"

        return StructuredTool.from_function(coroutine=press, name=letter, description=f"Type the letter {letter!r}.")


class Typist(OfflineChatModel):
    """Types the letters of the task that have no result yet: the next one, or (`hasty`) all of them at once."""

    hasty: bool = False

    def answer(self, messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: Any) -> AIMessage:
        place = max(at for at, message in enumerate(messages) if isinstance(message, HumanMessage))
        last = str(messages[place].text)
        if last.startswith('{"steps"'):
            return AIMessage("typed" if all(step["status"] == "done" for step in json.loads(last)["steps"]) else "")
        word = last.removeprefix(MARK)
        if schema is not None:
            return AIMessage(json.dumps({"steps": self._steps(word)}))
        done = sum(isinstance(message, ToolMessage) for message in messages[place:])
        left = list(enumerate(word))[done : None if self.hasty else done + 1]
        calls = [{"name": letter, "args": {}, "id": f"t{number}", "type": "tool_call"} for number, letter in left]
        return AIMessage("" if calls else "typed", tool_calls=calls)

    def _steps(self, word: str) -> list[dict[str, Any]]:
        steps = [{"id": f"s{n}", "task": f"type {c}", "tool": c, "args": {}} for n, c in enumerate(word)]
        return [{**one, "depends_on": [] if self.hasty or not n else [f"s{n - 1}"]} for n, one in enumerate(steps)]


def words(count: int = 20, seed: int = 1) -> list[str]:
    """Seeded words of 3 to 16 letters."""
    chance = random.Random(seed)
    return ["".join(chance.choices(ascii_lowercase, k=3 + 13 * place // (count - 1))) for place in range(count)]


async def typed(name: str, build: Any, hasty: bool, **context: Any) -> Tally:
    """One typist at all words; right is what stands on the paper, whatever the answer claims."""
    total, paper, typist = Tally(name), Paper(), Typist(hasty=hasty)
    agent = build(lambda choice: typist, unlimited(paper.tools()))
    for word in words():
        paper.text = ""
        task = Task(f"{MARK}{word}", lambda text, word=word: text == "typed" and paper.text == word, tuple(word))
        one = await run(name, agent, [task], **context)
        total = Tally(
            name,
            total.tasks + 1,
            total.correct + one.correct,
            total.matched + one.matched,
            total.model_calls + one.model_calls,
            total.waves + one.waves,
            total.seconds + one.seconds,
        )
    return total


async def measure() -> list[Tally]:
    return [
        await typed("react, letter by letter", react.build, hasty=False),
        await typed("react, 10 model calls", react.build, hasty=False, max_model_calls=10),
        await typed("plan_execute, in a chain", plan_execute.build, hasty=False, max_steps=20),
        await typed("control: all at once", react.build, hasty=True),
        await typed("control: a plan without order", plan_execute.build, hasty=True, max_steps=20),
    ]


if __name__ == "__main__":
    print(table(asyncio.run(measure())))
