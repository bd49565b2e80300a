"""What a long thread still knows: facts told early on, asked for after many turns, by each memory.

The oracle summariser keeps the facts it was shown, in the old summary or in the messages, and no others; so a fact that
was ever left out of a summary call is lost. The control summarises the messages and forgets the summary before.

Run: python -m bench.needle
"""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("MODEL", "offline")

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from graphs.react import build
from nodes.offline import OfflineChatModel, reply
from nodes.tokens import estimated_tokens

HERE: Any = {"configurable": {"thread_id": "1"}}
HISTORY = 400
FACTS = 10


class Listener(OfflineChatModel):
    """The offline model; counts summaries and the longest prompt, in estimated tokens."""

    summaries: int = 0
    longest: int = 0

    def answer(self, messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: Any) -> AIMessage:
        self.longest = max(self.longest, estimated_tokens(messages))
        if str(messages[-1].text).startswith('{"summary"'):
            self.summaries += 1
        return reply(messages, tools, schema)


class ForgetfulListener(Listener):
    """Forgets the summary before."""

    def answer(self, messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: Any) -> AIMessage:
        text = str(messages[-1].text)
        if text.startswith('{"summary"'):
            shown = json.dumps({**json.loads(text), "summary": ""}, ensure_ascii=False)
            messages = [*messages[:-1], HumanMessage(shown)]
        return super().answer(messages, tools, schema)


@dataclass(frozen=True)
class Remembered:
    known: int
    summaries: int
    longest: int
    kept: int


async def remembered(memory: str, turns: int, model: Listener, words: int = 0) -> Remembered:
    """Facts told every few turns of the first half, among others `words` long; how many are known at the end."""
    graph = build(lambda choice: model).copy({"checkpointer": InMemorySaver()})
    context = {"memory": memory, "history_tokens": HISTORY, "max_model_calls": 1000}
    every = turns // (2 * FACTS)

    async def say(text: str) -> str:
        state = await graph.ainvoke({"messages": [HumanMessage(text)]}, HERE, context=context)
        return str(state["messages"][-1].text)

    for turn in range(turns):
        fact, place = divmod(turn, every)
        told = f"my key {fact} is code {1000 + fact}." if place == 0 and fact < FACTS else f"my item is number {turn}."
        await say(" ".join([*["lorem"] * (words // 2), told, *["lorem"] * (words // 2)]))
    answers = [await say(f"what is my key {fact}?") for fact in range(FACTS)]
    known = sum(answer == f"Your key {fact} is code {1000 + fact}." for fact, answer in enumerate(answers))
    kept = len((await graph.aget_state(HERE)).values["messages"])
    return Remembered(known, model.summaries, model.longest, kept)


async def main() -> None:
    print(f"{'':<36}{'turns':>7}{'words':>7}{'known':>8}{'summaries':>11}{'longest prompt':>16}{'kept':>7}")
    for name, turns, words in (("", 50, 0), ("", 200, 0), (", long messages", 50, 600)):
        for memory in ("buffer", "summary", "combined", "control: forgetful"):
            model = ForgetfulListener() if memory.startswith("control") else Listener()
            one = await remembered("summary" if memory.startswith("control") else memory, turns, model, words)
            print(
                f"{memory + name:<36}{turns:>7}{words:>7}{f'{one.known}/{FACTS}':>8}{one.summaries:>11}"
                f"{one.longest:>16}{one.kept:>7}",
                flush=True,
            )


if __name__ == "__main__":
    asyncio.run(main())
