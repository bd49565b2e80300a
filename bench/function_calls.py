"""Whether a call arrives as it was meant: names, types and nested values, over a real socket and the real client.

Tasks of the shape of the Berkeley Function Calling Leaderboard (simple, multiple, parallel, parallel multiple,
irrelevance), made here from a seed; they are not the original ones. Judged as there: what the functions received
against what is accepted, calls in any order, values and types alike. In the `mended` column every call is first sent
with an argument missing or of a wrong type: it must come back as an error, and be sent again. The control swaps values.

Run: python -m bench.function_calls
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

os.environ.setdefault("MODEL", "offline")

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, create_model

from bench.trajectories import unlimited
from graphs import react
from nodes.models import chat_model
from tests.model_server.server import Brain, model_server

CATEGORIES = ("simple", "multiple", "parallel", "parallel multiple", "irrelevance")
Caller = Literal["right", "mended", "control"]
CALLERS: tuple[Caller, ...] = ("right", "mended", "control")


class Place(BaseModel):
    """A nested argument."""

    city: str
    floor: int


VALUES: dict[Any, Callable[[random.Random], Any]] = {
    str: lambda chance: chance.choice(["Oslo", "naïve café", 'say "hi"', "a\nb", "语", ""]),
    int: lambda chance: chance.randint(-9, 10**12),
    float: lambda chance: chance.choice([0.1, 2.5e-7, -3.25]),
    bool: lambda chance: chance.random() < 0.5,
    list[int]: lambda chance: chance.sample(range(50), 3),
    list[str]: lambda chance: chance.sample(["x", "y, z", ""], 2),
    dict[str, int]: lambda chance: {"k": chance.randint(0, 9), "ü": 1},
    Place: lambda chance: {"city": chance.choice(["Bern", "Lomé"]), "floor": chance.randint(0, 9)},
}


@dataclass(frozen=True)
class Case:
    """The functions offered, the calls asked for, and what their functions should receive (defaults filled in)."""

    functions: dict[str, type[BaseModel]]
    asked: list[tuple[str, dict[str, Any]]]
    accepted: list[tuple[str, dict[str, Any]]]


def cases(category: str, count: int = 20, seed: int = 1) -> list[Case]:
    chance = random.Random(f"{category} {seed}")
    return [_case(category, chance) for _ in range(count)]


def _case(category: str, chance: random.Random) -> Case:
    offered = 1 if category in ("simple", "parallel") else 3
    functions = {f"function_{place}": _arguments(chance, place) for place in range(offered)}
    wanted = {"irrelevance": 0}.get(category, chance.randint(2, 4) if "parallel" in category else 1)
    asked, accepted = [], []
    for name in chance.choices([*functions], k=wanted):
        fields = functions[name].model_fields.items()
        values = {field: VALUES[about.annotation](chance) for field, about in fields if about.is_required()}
        mode = {"mode": "fast"} if chance.random() < 0.5 else {}
        asked.append((name, {**values, **mode}))
        accepted.append((name, {**values, "mode": "plain", **mode}))
    return Case(functions, asked, accepted)


def _arguments(chance: random.Random, place: int) -> type[BaseModel]:
    """Two to four arguments, of which the first two are of one type, so that they can be mistaken for each other."""
    kinds = chance.choices([*VALUES], k=chance.randint(1, 3))
    fields: dict[str, Any] = {f"a{number}": (kind, ...) for number, kind in enumerate([kinds[0], *kinds])}
    return create_model(f"Arguments{place}", __doc__="Some arguments.", mode=(str, "plain"), **fields)


def brain(caller: Caller) -> Brain:
    """A model that reads which calls are asked for, and sends again what came back as an error."""

    def answer(messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: Any) -> AIMessage:
        place = max(at for at, message in enumerate(messages) if isinstance(message, HumanMessage))
        offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
        asked = [call for call in json.loads(str(messages[place].text)) if call[0] in offered]
        results = [message for message in messages[place:] if isinstance(message, ToolMessage)]
        failed = {int(one.tool_call_id) for one in results if str(one.text).startswith("wrong arguments")}
        calls = []
        for number, (name, args) in enumerate(asked):
            if not results or number in failed:
                sent = args if caller == "right" or number in failed else _spoiled(caller, args, number)
                calls.append({"name": name, "args": sent, "id": str(number), "type": "tool_call"})
        return AIMessage("" if calls else "done", tool_calls=calls)

    return answer


def _spoiled(caller: Caller, args: dict[str, Any], number: int) -> dict[str, Any]:
    if caller == "control":
        return {**args, "a0": args["a1"], "a1": args["a0"]}
    return {**args, "a0": {"no": ["such", "type"]}} if number % 2 else {k: v for k, v in args.items() if k != "a0"}


def tools_of(case: Case, received: list[tuple[str, dict[str, Any]]]) -> list[BaseTool]:
    """The functions as tools that write down what they are called with."""

    def tool(name: str, schema: type[BaseModel]) -> BaseTool:
        async def call(**given: Any) -> str:
            plain = {key: one.model_dump() if isinstance(one, BaseModel) else one for key, one in given.items()}
            received.append((name, plain))
            return "ok"

        return StructuredTool.from_function(coroutine=call, name=name, description="A function.", args_schema=schema)

    return [tool(name, schema) for name, schema in case.functions.items()]


def same(received: Sequence[tuple[str, dict[str, Any]]], accepted: Sequence[tuple[str, dict[str, Any]]]) -> bool:
    """Whether the calls are those accepted, in any order; 1, 1.0, true and "1" are different values."""
    written = [Counter(json.dumps([*call], sort_keys=True) for call in calls) for calls in (received, accepted)]
    return written[0] == written[1]


async def right(category: str, caller: Caller, count: int = 20) -> int:
    """How many cases of the category arrived as they were meant."""
    total = 0
    with model_server(brain(caller)) as server:
        environ = {"MODEL": "openai:caller", "OPENAI_BASE_URL": server.base_url}
        for case in cases(category, count):
            received: list[tuple[str, dict[str, Any]]] = []
            agent = react.build(lambda choice: chat_model(choice, environ), unlimited(tools_of(case, received)))
            await agent.ainvoke({"messages": [{"role": "user", "content": json.dumps(case.asked)}]})
            total += same(received, case.accepted)
    return total


async def main() -> None:
    print(f"{'':<20}" + "".join(f"{caller:>10}" for caller in CALLERS))
    for category in CATEGORIES:
        counts = [await right(category, caller) for caller in CALLERS]
        print(f"{category:<20}" + "".join(f"{f'{count}/20':>10}" for count in counts), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
