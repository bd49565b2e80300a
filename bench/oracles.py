"""Deterministic stand-ins for a model that plays the Game of 24, to measure the search without one.

Each answers the prompts the search really sends, from the `left:` line and the schema asked for. `exact` knows the
truth; `flipped` lies with a given probability (seeded, independently for every sample, never about 24 itself);
`constant` knows nothing and values everything alike; `random` knows nothing either and says anything.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import Field

from nodes.evaluate import WORTH
from nodes.models import ChatModels
from nodes.offline import OfflineChatModel, reply

Schema = dict[str, Any] | None


class Oracle(OfflineChatModel):
    """The exact oracle. `calls` counts requests, `prompts` the distinct ones.

    It proposes every step in whole numbers (all 100 test games can be solved that way), in an order drawn by chance
    from each prompt and `order`.
    """

    order: int = 1
    calls: int = 0
    prompts: Counter[str] = Field(default_factory=Counter)

    def answer(self, messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: Schema) -> AIMessage:
        self.calls += 1
        name = schema["name"] if schema else "text"
        prompt = f"{name}\n{messages[-1].text}"
        self.prompts[prompt] += 1
        truth = reply(messages, tools, schema)
        if name == "thoughts":
            whole = [thought for thought in json.loads(truth.text)["thoughts"] if not re.search(r"\d/\d", thought)]
            shuffled = random.Random(f"{self.order} {prompt}").sample(whole, len(whole))
            return AIMessage(json.dumps({"thoughts": shuffled}))
        return self.judge(truth, prompt) if name == "value" else truth

    def judge(self, truth: AIMessage, prompt: str) -> AIMessage:
        return truth


class FlippedOracle(Oracle):
    """Gives the opposite label with probability `rate`."""

    rate: float
    seed: int

    def judge(self, truth: AIMessage, prompt: str) -> AIMessage:
        left, sample = prompt.rpartition("left: ")[2], self.prompts[prompt]
        if left == "24" or random.Random(f"{self.seed} {left} {sample}").random() >= self.rate:
            return truth
        sure = json.loads(truth.text)["label"] == "sure"
        return AIMessage(json.dumps({"label": "impossible" if sure else "sure"}))


class ConstantOracle(Oracle):
    """Values every state the same."""

    def judge(self, truth: AIMessage, prompt: str) -> AIMessage:
        return AIMessage('{"label": "likely"}')


class RandomOracle(Oracle):
    """Values every state by chance: what it solves is what a beam and the verifier come upon without any evaluator."""

    seed: int

    def judge(self, truth: AIMessage, prompt: str) -> AIMessage:
        chance = random.Random(f"{self.seed} {prompt} {self.prompts[prompt]}")
        return AIMessage(json.dumps({"label": chance.choice(list(WORTH))}))


def models_of(oracle: Oracle) -> ChatModels:
    return lambda choice: oracle
