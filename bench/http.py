"""`python -m bench.http`: what the server costs over LangGraph itself, as ratios against a floor of the same run.

A graph that costs nothing, over real HTTP: latency when idle, runs per second with many clients, CPU per run. Rounds of
the two servers alternate, so that a machine whose speed drifts does not favour one of them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from bench.raw_client import RawClient

ROOT = Path(__file__).resolve().parents[1]
TRIAL = ROOT / "tests/projects/trial/langgraph.json"
DOCUMENT = ROOT / "docs/performance.md"
ROUTES = ("wait", "stream")


@dataclass
class Target:
    name: str
    port: int
    pid: int
    makes_threads: bool
    idle_ms: dict[str, list[float]] = field(default_factory=lambda: {route: [] for route in ROUTES})
    per_second: dict[int, list[float]] = field(default_factory=dict)
    cpu_ms: list[float] = field(default_factory=list)

    def client(self) -> RawClient:
        return RawClient("127.0.0.1", self.port)

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


BODY = {"assistant_id": "echo", "input": {"messages": [{"role": "user", "content": "hello"}]}}


async def one_run(client: RawClient, target: Target, route: str) -> float:
    """Seconds for one run on a thread of its own; making the thread is not counted."""
    thread_id = str(uuid4())
    if target.makes_threads:
        status, _ = await client.post("/threads", {"thread_id": thread_id})
        assert status == 200
    started = time.perf_counter()
    status, body = await client.post(f"/threads/{thread_id}/runs/{route}", BODY)
    seconds = time.perf_counter() - started
    assert status == 200, body
    assert b"echo: hello" in body, body
    return seconds


async def idle(target: Target, runs: int) -> None:
    async with target.client() as client:
        for route in ROUTES:
            target.idle_ms[route] += [1000 * await one_run(client, target, route) for _ in range(runs)]


async def loaded(target: Target, clients: int, seconds: float) -> None:
    done = 0
    end = time.perf_counter() + seconds

    async def keep_asking() -> None:
        nonlocal done
        async with target.client() as client:
            while time.perf_counter() < end:
                await one_run(client, target, "wait")
                done += 1

    started, cpu = time.perf_counter(), target.cpu_seconds()
    await asyncio.gather(*(keep_asking() for _ in range(clients)))
    target.per_second.setdefault(clients, []).append(done / (time.perf_counter() - started))
    target.cpu_ms.append(1000 * (target.cpu_seconds() - cpu) / done)


async def measure(targets: list[Target], *, rounds: int, runs: int, seconds: float) -> None:
    for target in targets:
        await idle(target, 30)  # warm
        for route in ROUTES:
            target.idle_ms[route].clear()
    for _ in range(rounds):
        for target in targets:
            await idle(target, runs)
        for clients in (32, 64):
            for target in targets:
                await loaded(target, clients, seconds)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(command: list[str], environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


async def until_listening(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            assert time.monotonic() < deadline, "the server does not listen"
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return


def median(values: list[float]) -> float:
    return statistics.median(values)


def table(floor: Target, ours: Target) -> str:
    rows = [("figure", "floor", "threadkeep", "ratio", "wanted")]
    for route in ROUTES:
        low, high = median(floor.idle_ms[route]), median(ours.idle_ms[route])
        rows.append((f"runs/{route}, idle, median ms", f"{low:.2f}", f"{high:.2f}", f"{high / low:.2f}", "≤ 1.5"))
    for clients in floor.per_second:
        low, high = median(floor.per_second[clients]), median(ours.per_second[clients])
        rows.append((f"runs/s, {clients} clients", f"{low:.0f}", f"{high:.0f}", f"{high / low:.2f}", "≥ 0.65"))
    low, high = median(floor.cpu_ms), median(ours.cpu_ms)
    rows.append(("CPU per run, ms", f"{low:.2f}", f"{high:.2f}", f"{high / low:.2f}", "≤ 1.7"))
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def write_section(text: str) -> None:
    """Put the table between its markers in the document, or at the document's end."""
    begin, end = "<!-- http -->", "<!-- /http -->"
    section = f"{begin}\n{text}\n{end}"
    document = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else "# Performance\n"
    if begin in document:
        document = re.sub(f"{begin}.*{end}", lambda _: section, document, flags=re.DOTALL)
    else:
        document = f"{document.rstrip()}\n\n## The server over HTTP\n\n{section}\n"
    DOCUMENT.write_text(document, encoding="utf-8")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--no-write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        floor_port, our_port = free_port(), free_port()
        ours_command = [sys.executable, "server.py", "--port", str(our_port), "--data", f"{folder}/data"]
        with (
            started([sys.executable, "-m", "bench.floor", str(floor_port)]) as floor_process,
            started([*ours_command, "--config", str(TRIAL)], {"LOG_FORMAT": "json"}) as our_process,
        ):
            targets = [
                Target("floor", floor_port, floor_process.pid, makes_threads=False),
                Target("threadkeep", our_port, our_process.pid, makes_threads=True),
            ]
            for target in targets:
                await until_listening(target.port)
            await measure(targets, rounds=given.rounds, runs=given.runs, seconds=given.seconds)
    text = f"Measured on {machine()}; medians of {given.rounds} alternating rounds.\n\n{table(*targets)}"
    sys.stdout.write(text + "\n")
    if not given.no_write:
        write_section(text)


if __name__ == "__main__":
    asyncio.run(main())
