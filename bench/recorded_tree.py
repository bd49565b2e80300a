"""A tree that GPT-4 grew, replayed: the search must pick what was picked then, level by level.

The record is three levels of the first game of the paper's own log (`tests/data/game24_gpt4_tree.json`): 66 thoughts
with their values, of which each level kept the best five. The oracle proposes what was proposed from a state and gives
the labels that add up to its recorded value; of a state that the record does not hold it knows nothing. The control
values each thought like the one before it.

Run: python -m bench.recorded_tree
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("MODEL", "offline")

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import ConfigDict, Field

from graphs.tree_of_thought import build
from nodes.evaluate import WORTH
from nodes.offline import OfflineChatModel
from nodes.problems.problem import Problem

DATA = Path(__file__).parents[1] / "tests" / "data" / "game24_gpt4_tree.json"


@dataclass
class Record:
    """The recorded tree. A state is the thoughts that led to it, a line each."""

    game: str
    proposed: dict[str, list[str]] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    picks: list[list[str]] = field(default_factory=list)


def record() -> Record:
    kept = json.loads(DATA.read_text("utf-8"))
    tree, before = Record(kept["game"]), [kept["game"]]
    for level in kept["levels"]:
        states = []
        for parent, thought, value in level["proposed"]:
            states.append(f"{before[parent]}\n{thought}")
            tree.proposed.setdefault(before[parent], []).append(thought)
            tree.values[states[-1]] = value
        before = [states[place] for place in level["picks"]]
        tree.picks.append(before)
    return tree


class RecordedProblem(Problem):
    """Takes every thought as it was written, as the paper's code did."""

    name = "recorded"
    propose_prompt = "Propose what was proposed."
    value_prompt = "Value as it was valued."
    thoughts = 40

    def read(self, message: str) -> str | None:
        return message

    def follow(self, state: str, thought: str) -> str | None:
        return f"{state}\n{thought}"

    def shown(self, root: str, path: Sequence[str], state: str) -> str:
        return state

    def levels(self, root: str) -> int:
        return 3

    def key(self, state: str) -> str:
        return state

    def answer(self, root: str, path: Sequence[str]) -> str | None:
        return "\n".join(path)


class RecordedModel(OfflineChatModel):
    """Answers from the record. A value is given as three labels; what could not be read then cannot be read now."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    tree: Record
    asked: Counter[str] = Field(default_factory=Counter)

    def answer(self, messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: Any) -> AIMessage:
        state = next(str(one.text) for one in messages if one.type == "human")
        if schema["name"] == "thoughts":
            return AIMessage(json.dumps({"thoughts": self.tree.proposed.get(state, [])}))
        if len(messages) > 2:  # asked again because it could not be read
            return AIMessage("no label")
        labels, sample = labels_of(self.tree.values.get(state, 0.0)), self.asked[state]
        self.asked[state] += 1
        return AIMessage(json.dumps({"label": labels[sample]}) if sample < len(labels) else "no label")


def labels_of(value: float) -> list[str]:
    """The labels that add up to a value."""
    labels = []
    for label, worth in WORTH.items():
        count = int(value / worth + 1e-6)
        labels += [label] * count
        value -= count * worth
    return labels


async def replayed(tree: Record) -> list[list[str]]:
    """What the search keeps of each level, best first, when the model answers from the record."""
    model = RecordedModel(tree=tree)
    context = {"beam": 5, "samples": 3, "max_model_calls": 10_000}
    graph, asked = build(lambda choice: model, [RecordedProblem()]), {"messages": [("user", tree.game)]}
    kept: dict[int, list[str]] = {}
    async for event in graph.astream(asked, context=context, stream_mode="custom"):
        for thought in event.get("thoughts", []):
            if thought["status"] == "kept":
                kept.setdefault(thought["depth"], []).append(thought["state"])
    return [kept[depth] for depth in sorted(kept)]


def shifted(tree: Record) -> Record:
    """The control: the same tree, each thought with the value of the one before it."""
    states, values = [*tree.values], [*tree.values.values()]
    return Record(tree.game, tree.proposed, dict(zip(states, values[-1:] + values[:-1], strict=True)), tree.picks)


async def main() -> None:
    for name, tree in (("recorded", record()), ("control: shifted", shifted(record()))):
        picks = await replayed(tree)
        for level, wanted in enumerate(tree.picks):
            got = picks[level] if level < len(picks) else []
            print(f"{name:<18} level {level + 1}: {sum(a == b for a, b in zip(got, wanted, strict=False))}/5 picks")


if __name__ == "__main__":
    asyncio.run(main())
