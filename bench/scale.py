"""`python -m bench.scale`: a folder of 100,000 threads and 1,000,000 runs beside an empty one.

The rows are written by SQL, in the shapes that real ones have; then the server is started on the folder, and asked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import apsw
import httpx

from bench.http import ROOT, ROUTES, TRIAL, Target, free_port, idle, loaded, one_run, started, until_listening
from bench.report import machine, markdown, memory, write_section

_GRAPH = "echo"


def fill(path: Path, threads: int, runs_a_thread: int) -> None:
    """Write rows into a folder's `server.db` that a server has made and left."""
    metadata = json.dumps({"graph_id": _GRAPH, "kind": "bench"}, separators=(",", ":"))
    kwargs = json.dumps({"input": {"messages": [{"role": "user", "content": "hello " * 20}]}})
    with apsw.Connection(str(path)) as db, db:
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        moment = "strftime('%Y-%m-%dT%H:%M:%f', '2026-01-01', (i % 20000000) || ' seconds') || '000+00:00'"
        thread_id = "printf('%08x-0000-7000-8000-%012x', i, i)"
        db.execute(
            f"""{numbers} INSERT INTO threads (thread_id, owner, user_id, graph_id, metadata, preview, created_at,
                    updated_at, state_updated_at)
                SELECT {thread_id}, 'owner ' || (i % 1000), NULL, '{_GRAPH}', ?, 'an answer', {moment}, {moment},
                    {moment} FROM n""",
            (threads, metadata),
        )
        for key, value in (("graph_id", f'"{_GRAPH}"'), ("kind", '"bench"'), ("number", "i")):
            shown = value if key == "number" else f"'{value}'"
            db.execute(
                f"{numbers} INSERT INTO thread_metadata SELECT '[\"{key}\"]', {shown}, {thread_id} FROM n", (threads,)
            )
        db.execute(
            f"""{numbers} INSERT INTO runs (run_id, thread_id, assistant_id, graph_id, status, multitask_strategy,
                    metadata, kwargs, due_at, attempt, created_at, updated_at, started_at, ended_at)
                SELECT printf('%08x-1111-7000-8000-%012x', i, i),
                    printf('%08x-0000-7000-8000-%012x', 1 + i % ?, 1 + i % ?), '{_GRAPH}', '{_GRAPH}', 'success',
                    'enqueue', ?, ?, {moment}, 1, {moment}, {moment}, {moment}, {moment} FROM n""",
            (threads * runs_a_thread, threads, threads, metadata, kwargs),
        )


async def measured(folder: Path) -> dict[str, float]:
    """Figures of a server on the folder, in milliseconds unless they say otherwise."""
    port = free_port()
    command = [sys.executable, "server.py", "--port", str(port), "--data", str(folder), "--config", str(TRIAL)]
    before = time.perf_counter()
    with started(command, {"LOG_FORMAT": "json"}) as process:
        await until_listening(port)
        begun = time.perf_counter() - before
        target = Target("threadkeep", port, process.pid)
        await idle(target, 20)
        for route in ROUTES:
            target.idle_ms[route].clear()
        await idle(target, 40)
        await loaded(target, 32, 3.0)
        found: dict[str, float] = {
            "from start to listening, s": begun,
            "runs/wait, idle": statistics.median(target.idle_ms["wait"]),
            "threads with a run per second, 32 clients": target.per_second[32][0],
        }
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            newest = (await client.post("/threads/search", json={"limit": 1, "select": ["thread_id"]})).json()[0]
            asked: dict[str, tuple[str, str, Any]] = {
                "search: newest 20": ("POST", "/threads/search", {"limit": 20, "select": ["thread_id", "status"]}),
                "search: by metadata": ("POST", "/threads/search", {"metadata": {"number": 777}, "select": ["status"]}),
                "count: all of a graph": ("POST", "/threads/count", {"metadata": {"graph_id": _GRAPH}}),
                "search: newest 20 of a graph": (
                    "POST",
                    "/threads/search",
                    {"metadata": {"graph_id": _GRAPH}, "limit": 20},
                ),
                "open a thread": ("GET", f"/threads/{newest['thread_id']}", None),
                "its runs": ("GET", f"/threads/{newest['thread_id']}/runs", None),
                "metrics": ("GET", "/metrics", None),
            }
            for name, (method, path, body) in asked.items():
                found[name] = await median_ms(client, method, path, body)
    return found


async def memory_over(runs: int) -> list[tuple[str, ...]]:
    """What the process holds after a tenth of so many runs, and after all of them."""
    rows: list[tuple[str, ...]] = [
        ("runs so far, each on a thread of its own", "memory, MB", "server.db and checkpoints.db, MB")
    ]
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "server.py", "--port", str(port), "--data", folder, "--config", str(TRIAL)]
        with started(command, {"LOG_FORMAT": "json"}) as process:
            await until_listening(port)
            target = Target("threadkeep", port, process.pid)
            for part in range(10):
                await run_many(target, runs // 10)
                if part in (0, 4, 9):
                    files = sum(file.stat().st_size for file in Path(folder).glob("*.db*"))
                    done = f"{(part + 1) * runs // 10:,}"
                    rows.append((done, f"{memory(process.pid) / 1e6:.0f}", f"{files / 1e6:.0f}"))
    return rows


async def run_many(target: Target, runs: int, *, clients: int = 16) -> None:
    async def some() -> None:
        async with target.client() as client:
            for _ in range(runs // clients):
                await one_run(client, target, "wait")

    await asyncio.gather(*(some() for _ in range(clients)))


async def median_ms(client: httpx.AsyncClient, method: str, path: str, body: Any) -> float:
    taken = []
    for _ in range(15):
        start = time.perf_counter()
        (await client.request(method, path, json=body)).raise_for_status()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


def make_folder(folder: Path) -> None:
    """An empty data folder with today's schema."""
    subprocess.run(
        [sys.executable, "server.py", "keys", "list", "--data", str(folder)], cwd=ROOT, check=True, capture_output=True
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=10, help="of each thread")
    parser.add_argument("--no-write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder) / "few", Path(folder) / "many"
        for one in (few, many):
            make_folder(one)
        fill(few / "server.db", 100, 1)
        fill(many / "server.db", given.threads, given.runs)
        size = (many / "server.db").stat().st_size
        small, large = await measured(few), await measured(many)
    rows = [("figure, ms unless it says otherwise", "100 threads", f"{given.threads:,} threads", "times")]
    rows += [(name, f"{small[name]:.2f}", f"{large[name]:.2f}", f"{large[name] / small[name]:.2f}") for name in small]
    text = (
        f"Measured on {machine()}. With {given.threads * given.runs:,} runs; server.db has {size / 1e6:,.0f} MB."
        f"\n\n{markdown(rows)}\n\n{markdown(await memory_over(10_000))}"
    )
    sys.stdout.write(text + "\n")
    if not given.no_write:
        write_section("scale", "Many threads", text)


if __name__ == "__main__":
    asyncio.run(main())
