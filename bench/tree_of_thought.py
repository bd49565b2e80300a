"""How well the Tree of Thought search finds, judged by oracles on the paper's 100 test games (ranks 901-1000).

Steps are proposed in an order drawn by chance for each prompt. `constant` and `random` are the controls without an
evaluator: one values everything alike, so that states stay in the order of their numbers, the other says anything, and
what it solves is chance and the verifier, which checks every end the beam leads to.

Run: python -m bench.tree_of_thought [--games 100]
"""

import argparse
import asyncio
import csv
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MODEL", "offline")

from bench.oracles import ConstantOracle, FlippedOracle, Oracle, RandomOracle, models_of
from graphs.tree_of_thought import build

DATA = Path(__file__).parents[1] / "tests" / "data" / "game24.csv"

ORACLES: dict[str, Callable[[], Oracle]] = {
    "exact": Oracle,
    "flip 20 %": lambda: FlippedOracle(rate=0.2, seed=1),
    "flip 35 %": lambda: FlippedOracle(rate=0.35, seed=1),
    "constant": ConstantOracle,
    "random": lambda: RandomOracle(seed=1),
}


@dataclass(frozen=True)
class Played:
    """One game. A round is a super-step in which models are asked, however many at once."""

    solved: bool
    prompts: int
    calls: int
    rounds: int


def games(count: int = 100) -> list[str]:
    """The paper's test games, hardest last."""
    with DATA.open(newline="") as lines:
        return [row["puzzle"] for row in csv.DictReader(lines) if 901 <= int(row["rank"]) <= 1000][:count]


async def play(oracle: Oracle, game: str, beam: int, samples: int = 3, **settings: object) -> Played:
    """Play one game; `prompts` counts the samples of one prompt as one, as the paper's tables do."""
    context = {"beam": beam, "samples": samples, "max_model_calls": 10_000, **settings}
    messages = {"messages": [{"role": "user", "content": game}]}
    rounds, answer = set[int](), ""
    async for mode, chunk in build(models_of(oracle)).astream(
        messages, context=context, stream_mode=["debug", "values"]
    ):
        if mode == "values":
            answer = str(chunk["messages"][-1].text)
        elif chunk["type"] == "task" and chunk["payload"]["name"] in ("expand", "evaluate"):
            rounds.add(chunk["step"])
    return Played(answer.endswith(" = 24"), len(oracle.prompts), oracle.calls, len(rounds))


async def measure(name: str, beam: int, samples: int, count: int) -> None:
    started = time.perf_counter()
    played = [await play(ORACLES[name](), game, beam, samples) for game in games(count)]
    n, seconds = len(played), time.perf_counter() - started
    print(
        f"{name:<10} b={beam} samples={samples}  solved {sum(p.solved for p in played) / n:6.1%}  "
        f"prompts/game {sum(p.prompts for p in played) / n:5.1f}  calls/game {sum(p.calls for p in played) / n:6.1f}  "
        f"rounds at most {max(p.rounds for p in played)}  {seconds / n * 1000:.0f} ms/game",
        flush=True,
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=100)
    count = parser.parse_args().games
    for name in ORACLES:
        for beam in (1, 2, 5, 8):
            await measure(name, beam, 3, count)
    await measure("flip 20 %", 1, 1, count)


if __name__ == "__main__":
    asyncio.run(main())
