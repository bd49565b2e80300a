"""`python -m bench.http`: what the server costs over LangGraph itself, as ratios against a floor of the same run.

A graph that costs nothing, over real HTTP. Latency when idle, as `langgraph-sdk` has it, and as a client has it that
costs nothing itself; by the latter, threads with a run per second with many clients, and the server's CPU. Rounds of
the servers alternate, so that a machine whose speed drifts does not favour one of them. Where the official
`langgraph dev` is installed, it is driven by the same clients on the same graph.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from bench.raw_client import RawClient
from bench.report import machine, markdown, write_section

ROOT = Path(__file__).resolve().parents[1]
TRIAL = ROOT / "tests/projects/trial/langgraph.json"
ROUTES = ("wait", "stream")
CLIENTS = (32, 64)


@dataclass
class Target:
    name: str
    port: int
    pid: int
    idle_ms: dict[str, list[float]] = field(default_factory=lambda: {route: [] for route in ROUTES})
    sdk_ms: dict[str, list[float]] = field(default_factory=lambda: {route: [] for route in ROUTES})
    per_second: dict[int, list[float]] = field(default_factory=dict)
    cpu_ms: list[float] = field(default_factory=list)

    def client(self) -> RawClient:
        return RawClient("127.0.0.1", self.port)

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


BODY = {"assistant_id": "echo", "input": {"messages": [{"role": "user", "content": "hello"}]}}


async def one_run(client: RawClient, target: Target, route: str) -> float:
    """Seconds for one run on a thread of its own; making the thread is not counted in them."""
    thread_id = str(uuid4())
    status, _ = await client.post("/threads", {"thread_id": thread_id})
    assert status == 200
    started = time.perf_counter()
    status, body = await client.post(f"/threads/{thread_id}/runs/{route}", BODY)
    seconds = time.perf_counter() - started
    assert status == 200, body
    assert b"echo: hello" in body, body
    return seconds


async def one_sdk_run(client: LangGraphClient, route: str) -> float:
    """The same by the client that people use."""
    thread_id = str(uuid4())
    await client.threads.create(thread_id=thread_id)
    started = time.perf_counter()
    if route == "wait":
        answer: Any = await client.runs.wait(thread_id, "echo", input=BODY["input"])
    else:
        answer = [part async for part in client.runs.stream(thread_id, "echo", input=BODY["input"])]
    seconds = time.perf_counter() - started
    assert "echo: hello" in str(answer), answer
    return seconds


async def idle(target: Target, runs: int) -> None:
    async with target.client() as client:
        for route in ROUTES:
            target.idle_ms[route] += [1000 * await one_run(client, target, route) for _ in range(runs)]
    async with get_client(url=f"http://127.0.0.1:{target.port}") as sdk:
        for route in ROUTES:
            target.sdk_ms[route] += [1000 * await one_sdk_run(sdk, route) for _ in range(runs)]


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
        await idle(target, min(runs, 30))  # warm
        for route in ROUTES:
            target.idle_ms[route].clear()
            target.sdk_ms[route].clear()
    for _ in range(rounds):
        for target in targets:
            await idle(target, runs)
        for clients in CLIENTS:
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


def table(floor: Target, ours: Target, official: Target | None) -> str:
    head = ("figure", "floor", "threadkeep", "times the floor", "wanted")
    rows = [head if official is None else (*head, "langgraph dev", "times threadkeep")]

    def add(figure: str, wanted: str, of: Callable[[Target], list[float]], *, digits: int = 2) -> None:
        low, high = median(of(floor)), median(of(ours))
        row = (figure, f"{low:.{digits}f}", f"{high:.{digits}f}", f"{high / low:.2f}", wanted)
        if official is not None:
            theirs = median(of(official))
            row = (*row, f"{theirs:.{digits}f}", f"{theirs / high:.2f}")
        rows.append(row)

    for route in ROUTES:
        add(
            f"runs/{route}, idle, by langgraph-sdk, median ms",
            "≤ 1.5",
            lambda target, route=route: target.sdk_ms[route],
        )  # type: ignore[misc]
    for route in ROUTES:
        add(f"the same, {route}, by a bare client", "", lambda target, route=route: target.idle_ms[route])  # type: ignore[misc]
    for clients in CLIENTS:
        add(
            f"threads with a run per second, {clients} clients",
            "≥ 0.65",
            lambda target, clients=clients: target.per_second[clients],  # type: ignore[misc]
            digits=0,
        )
    add("CPU per thread with a run, ms", "≤ 1.7", lambda target: target.cpu_ms)
    return markdown(rows)


@contextmanager
def langgraph_dev(folder: Path, port: int) -> Iterator[int | None]:
    """The official server on a copy of the project (it writes beside it): its process; None where it is missing."""
    program = Path(sys.executable).with_name("langgraph")
    if not program.exists():
        yield None
        return
    project = shutil.copytree(TRIAL.parent, folder / "official")
    quiet = {"LANGGRAPH_NO_VERSION_CHECK": "true", "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGSMITH_TRACING": "false"}
    command = [str(program), "dev", "--no-browser", "--no-reload", "--port", str(port), "--n-jobs-per-worker", "64"]
    process = subprocess.Popen(
        command,
        cwd=project,
        env={**os.environ, **quiet},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


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
                Target("floor", floor_port, floor_process.pid),
                Target("threadkeep", our_port, our_process.pid),
            ]
            for target in targets:
                await until_listening(target.port)
            await measure(targets, rounds=given.rounds, runs=given.runs, seconds=given.seconds)
        official = await measured_official(Path(folder), given)
    text = f"Measured on {machine()}; medians of {given.rounds} alternating rounds.\n\n{table(*targets, official)}"
    sys.stdout.write(text + "\n")
    if not given.no_write:
        write_section("http", "The server over HTTP", text)


async def measured_official(folder: Path, given: argparse.Namespace) -> Target | None:
    """The same for `langgraph dev`, by itself afterwards: it needs a second for each run that waits."""
    port = free_port()
    with langgraph_dev(folder, port) as pid:
        if pid is None:
            return None
        official = Target("langgraph dev", port, pid)
        await until_listening(port)
        await measure([official], rounds=1, runs=min(given.runs, 10), seconds=given.seconds * 2)
        return official


if __name__ == "__main__":
    asyncio.run(main())
