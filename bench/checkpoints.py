"""`python -m bench.checkpoints`: our checkpointer beside LangGraph's own, as ratios of one run.

A thread that grows to 1,000 turns, 64 chats at once, and a file of 100,000 threads. Every turn of ours ends with a
flush, so both have it on the disk when it ends. The stock saver's part takes most of the minutes and about 9 GB of
disk, given back at the end; `--turns 100 --threads 2000` is a taste.

All run as the server runs them: on uvloop, with its pace of the garbage collector. Each long thread grows in a process
of its own, so that none has to find its way through the heap that another left behind.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import apsw
import uvloop

from bench.checkpoints_work import (
    CLIENTS,
    MESSAGES_A_TURN,
    TEXT,
    Point,
    long_thread,
    many_threads,
    subject,
    turns_per_second,
    without_saver,
)
from bench.report import machine, write_section
from threadkeep.heap import settle_heap

T = TypeVar("T")

SAVERS = ("stock", "stock + DeltaChannel", "ours")
SHORT = 10


def row(what: str, measured: float, wanted: float, *, at_least: bool, unit: str = "") -> str:
    met = measured >= wanted if at_least else measured <= wanted
    sign = ">=" if at_least else "<="
    return f"| {what} | {measured:.3g}{unit} | {sign} {wanted:g}{unit} | {'yes' if met else '**no**'} |"


def long_rows(points: dict[str, dict[int, Point]], none: dict[int, float], turns: int) -> list[str]:
    stock, ours = points["stock"][turns], points["ours"][turns]
    text = turns * MESSAGES_A_TURN * len(TEXT)
    growth = (ours.turn - none[turns]) / (points["ours"][SHORT].turn - none[SHORT])
    return [
        row(f"file after {turns} turns: times smaller than stock", stock.size / ours.size, 500, at_least=True),
        row("stored bytes per byte of message text", ours.size / text, 8, at_least=False),
        row(f"turn at {turns} turns: times faster than stock", stock.turn / ours.turn, 12, at_least=True),
        row(f"state read at {turns} turns: times faster than stock", stock.read / ours.read, 60, at_least=True),
        row(f"turn at {turns} turns over turn at {SHORT}, less the graph itself", growth, 4, at_least=False),
    ]


def details(points: dict[str, dict[int, Point]], none: dict[int, float]) -> list[str]:
    lines = ["| saver | turns | file | turn | state read |", "|---|---|---|---|---|"]
    for name, by_turns in points.items():
        for turns, point in by_turns.items():
            size = f"{point.size / 1e6:.1f} MB" if point.size else "-"
            lines.append(f"| {name} | {turns} | {size} | {point.turn:.1f} ms | {point.read:.2f} ms |")
    lines += [f"| none (the graph itself) | {turns} | - | {taken:.1f} ms | - |" for turns, taken in none.items()]
    return lines


async def throughput(folder: Path, rounds: int, turns: int) -> dict[str, float]:
    """Median turns per second of alternating rounds."""
    rates: dict[str, list[float]] = {"none": [], "memory": [], "stock": [], "ours": [], "ours, FULL": []}
    for _ in range(rounds):
        for name, measured in rates.items():
            async with subject(name, folder) as one:
                measured.append(await turns_per_second(one, turns))
    return {name: statistics.median(measured) for name, measured in rates.items()}


def as_served(work: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """What the work comes to, in the event loop and with the collector's pace that the server has."""
    settle_heap()
    return uvloop.run(work(*arguments))  # type: ignore[arg-type]


def alone(work: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """The same in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(as_served, work, *arguments).result()


async def grown(name: str, folder: Path, lengths: list[int], samples: int) -> dict[int, Point]:
    """One saver's long thread; its file is measured closed, and deleted."""
    async with subject(name, folder) as one:
        points = await long_thread(one, lengths, samples)
    assert one.file is not None
    points[lengths[-1]].size = one.file.stat().st_size
    one.file.unlink()
    return points


async def bare(folder: Path, lengths: list[int], samples: int) -> dict[int, float]:
    async with subject("none", folder) as one:
        return await without_saver(one, lengths, samples)


def measure(given: argparse.Namespace, folder: Path) -> list[str]:
    lengths = [SHORT, given.turns]
    rates = alone(throughput, folder, given.rounds, 5)
    say(f"turns per second: {rates}")
    few, many = alone(many_threads, folder, [100, given.threads], given.samples * 10)
    say(f"read among 100 threads {few:.2f} ms, among {given.threads} {many:.2f} ms")
    none = alone(bare, folder, lengths, given.samples)
    points: dict[str, dict[int, Point]] = {}
    for name in SAVERS[::-1]:
        points[name] = alone(grown, name, folder, lengths, given.samples)
        say(f"{name}: {points[name]}")
    return [
        "| | measured | wanted | met |",
        "|---|---|---|---|",
        *long_rows(points, none, given.turns),
        row(
            f"{CLIENTS} chats at once: turns per second, times stock", rates["ours"] / rates["stock"], 4, at_least=True
        ),
        row(
            "the same, in percent of no checkpointer", rates["ours"] / rates["none"] * 100, 65, at_least=True, unit=" %"
        ),
        f"| (InMemorySaver, in percent of no checkpointer) | {rates['memory'] / rates['none'] * 100:.0f} % | | |",
        row(f"reading a thread among {given.threads:,} over among 100", many / few, 1.5, at_least=False),
        "",
        *details(points, none),
        "",
        f"{CLIENTS} chats at once, turns per second: {', '.join(f'{one} {rate:.0f}' for one, rate in rates.items())}. "
        f"Reading a thread that is not in memory: {few:.2f} ms among 100, {many:.2f} ms among {given.threads:,}.",
    ]


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=1_000)
    parser.add_argument("--threads", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write; by default the system's temporary folder")
    parser.add_argument("--no-write", action="store_true")
    given = parser.parse_args()
    began_on = f"{machine()}, SQLite {apsw.sqlite_lib_version()}"
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        tables = measure(given, Path(folder))
    text = "\n".join([f"Measured by `make bench-checkpoints` on {began_on}.", "", *tables])
    sys.stdout.write(text + "\n")
    if not given.no_write:
        write_section("checkpoints", "The checkpointer", text)


if __name__ == "__main__":
    main()
