"""`python -m bench.store`: what the long-term store takes, beside LangGraph's own; written into docs/store.md.

Items of a few fields in ten namespaces, each put alone and many at once, read, filtered and found by meaning. The disk
is synced as the servers sync it. `--items 10000` is a taste; the default takes two minutes and 1.3 GB, given back.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from langgraph.store.base import IndexConfig, PutOp

from checkpoints import open_store, stock

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/store.md"
BEGIN, END = "<!-- store -->", "<!-- /store -->"
DIMS = 1536
AT_ONCE = 500
REPEATS = 7
ROUNDS = 5

chance = np.random.default_rng(1)


def embed(texts: list[str]) -> list[list[float]]:
    vectors: list[list[float]] = chance.standard_normal((len(texts), DIMS)).tolist()
    return vectors


async def milliseconds(work: Callable[[], Awaitable[Any]], repeats: int = REPEATS) -> float:
    """The median of several times; the first does not count."""
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        await work()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[1:])


def ops(first: int, last: int) -> list[PutOp]:
    return [PutOp(("bench", str(n % 10)), str(n), {"n": n, "text": f"item {n}"}) for n in range(first, last)]


async def small(store: Any) -> dict[str, float]:
    """What one item takes: a put alone, a put among 200 at once, a get."""
    number = iter(range(10**9))

    async def put() -> None:
        await store.aput(("bench", "0"), str(next(number)), {"n": 1, "text": "some text"})

    async def puts() -> None:
        await asyncio.gather(*(put() for _ in range(200)))

    return {
        "put, ms": await milliseconds(put, 100),
        "put among 200 at once, ms each": await milliseconds(puts, 20) / 200,
        "get, ms": await milliseconds(lambda: store.aget(("bench", "0"), "1"), 200),
    }


def middle(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {what: statistics.median(one[what] for one in rounds) for what in rounds[0]}


async def many(folder: Path, items: int) -> dict[str, float]:
    """What a search takes among many items with an embedding each."""
    index: IndexConfig = {"dims": DIMS, "embed": embed, "fields": ["text"]}
    async with open_store(folder, index=index) as store:
        for first in range(0, items, AT_ONCE):
            await store.abatch(ops(first, min(items, first + AT_ONCE)))
        root = ("bench",)
        tenth = {"n": {"$lt": items // 10}}
        return {
            "newest ten, ms": await milliseconds(lambda: store.asearch(root)),
            "a filter that nothing matches, ms": await milliseconds(lambda: store.asearch(root, filter={"n": -1})),
            "namespaces, ms": await milliseconds(lambda: store.alist_namespaces(prefix=root)),
            "nearest ten, ms": await milliseconds(lambda: store.asearch(root, query="near")),
            "nearest ten of a filtered tenth, ms": await milliseconds(
                lambda: store.asearch(root, query="near", filter=tenth)
            ),
        }


async def measured(items: int) -> str:
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        async with open_store(folder / "ours") as store, stock.open_store(folder / "stock") as old:
            rounds = [(await small(store), await small(old)) for _ in range(ROUNDS)]
        ours, theirs = (middle([one[which] for one in rounds]) for which in (0, 1))
        sizes = (items // 10, items)
        by_size = [await many(folder / f"of {size}", size) for size in sizes]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    lines = [
        f"Measured by `make bench-store` on {machine}; medians of alternating rounds; load averages when it began",
        f"{loads}: another machine, or this one when it is quiet, may be several times faster.",
        "",
        "| one item | ours | stock |",
        "|---|---|---|",
    ]
    lines += [f"| {what} | {ours[what]:.3f} | {theirs[what]:.3f} |" for what in ours]
    lines += [
        "",
        f"| a search, {DIMS} numbers an embedding | {sizes[0]:,} items | {sizes[1]:,} items |",
        "|---|---|---|",
    ]
    lines += [f"| {what} | {by_size[0][what]:.1f} | {by_size[1][what]:.1f} |" for what in by_size[0]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dry", action="store_true", help="print, and leave the document alone")
    parsed = parser.parse_args()
    table = asyncio.run(measured(parsed.items))
    sys.stdout.write(f"{table}\n")
    if not parsed.dry:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        DOCUMENT.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
