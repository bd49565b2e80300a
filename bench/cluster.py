"""`python -m bench.cluster`: one, two and four servers on one PostgreSQL, beside one server on its data folder.

Threads with a run per second with 32 clients spread over the servers, and how long the run of a killed server stands
still. `BENCH_POSTGRES_URI` names the PostgreSQL server (default: the usual port of this machine); databases are made in
it and dropped. Clients, servers and PostgreSQL share this machine's cores: more servers than cores show what sharing
costs, not what more machines bring.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

from bench.http import BODY, TRIAL, free_port, started, until_listening
from bench.raw_client import RawClient
from bench.report import machine, markdown, write_section

SERVER = os.environ.get("BENCH_POSTGRES_URI", "postgresql://postgres@127.0.0.1:5432/postgres")
CLIENTS = 32


@contextmanager
def database() -> Iterator[str]:
    name = f"threadkeep_bench_{os.getpid()}"
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield urlsplit(SERVER)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def servers(number: int, uri: str | None, folder: Path) -> Iterator[list[tuple[int, subprocess.Popen[bytes]]]]:
    environment = {"LOG_FORMAT": "json", "LOG_LEVEL": "error", **({"DATABASE_URI": uri} if uri else {})}
    with ExitStack() as stack:
        running = []
        for place in range(number):
            port = free_port()
            command = [sys.executable, "server.py", "--port", str(port), "--data", str(folder / f"{number}-{place}")]
            process = stack.enter_context(started([*command, "--config", str(TRIAL)], environment))
            running.append((port, process))
        yield running


async def runs_per_second(ports: list[int], seconds: float) -> float:
    done = 0
    end = time.perf_counter() + seconds

    async def keep_asking(port: int) -> None:
        nonlocal done
        async with RawClient("127.0.0.1", port) as client:
            while time.perf_counter() < end:
                thread_id = str(uuid4())
                await client.post("/threads", {"thread_id": thread_id})
                status, body = await client.post(f"/threads/{thread_id}/runs/wait", BODY)
                assert status == 200, body
                assert b"echo: hello" in body, body
                done += 1

    begun = time.perf_counter()
    await asyncio.gather(*(keep_asking(ports[place % len(ports)]) for place in range(CLIENTS)))
    return done / (time.perf_counter() - begun)


async def throughput(number: int, uri: str | None, folder: Path, given: argparse.Namespace) -> float:
    with servers(number, uri, folder) as running:
        ports = [port for port, _ in running]
        for port in ports:
            await until_listening(port)
        await runs_per_second(ports, 1.0)  # warm
        return statistics.median([await runs_per_second(ports, given.seconds) for _ in range(given.rounds)])


async def picked_up_after(uri: str | None, folder: Path) -> float:
    """Seconds from the `kill -9` of the server that runs something to its next step, at another server or a restart."""
    journal = folder / f"journal-{uuid4()}"
    with servers(2 if uri else 1, uri, folder) as running:
        for port, _ in running:
            await until_listening(port)
        given = {"steps": 100, "seconds": 0.1, "journal": str(journal)}
        async with RawClient("127.0.0.1", running[0][0]) as client:
            thread_id = str(uuid4())
            await client.post("/threads", {"thread_id": thread_id})
            await client.post(f"/threads/{thread_id}/runs", {"assistant_id": "slow", "input": given})
        before = await steps_past(journal, 3)
        # A free server runs what it has accepted: the first one.
        running[0][1].send_signal(signal.SIGKILL)
        running[0][1].wait()
        killed, before = time.perf_counter(), len(journal.read_text().split())
        if uri is None:
            data = str(folder / "1-0")
            command = [sys.executable, "server.py", "--port", str(free_port()), "--data", data, "--config", str(TRIAL)]
            with started(command, {"LOG_LEVEL": "error"}):
                await steps_past(journal, before + 1)
        else:
            await steps_past(journal, before + 1)
        return time.perf_counter() - killed


async def steps_past(journal: Path, number: int) -> int:
    async with asyncio.timeout(60):
        while not journal.exists() or len(journal.read_text().split()) < number:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.02)
    return number


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--no-write", action="store_true")
    given = parser.parse_args()
    rows = [("figure", "value", "times one server on a data folder")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = await throughput(1, None, folder, given)
        rows.append(("threads with a run per second, one server, data folder", f"{base:.0f}", "1"))
        for number in (1, 2, 4):
            with database() as uri:
                rate = await throughput(number, uri, folder, given)
            rows.append((f"the same, {number} on PostgreSQL", f"{rate:.0f}", f"{rate / base:.2f}"))
        with tempfile.TemporaryDirectory() as fresh:
            restarted = await picked_up_after(None, Path(fresh))
        rows.append(("a killed server's run goes on after, restarted by hand at once, s", f"{restarted:.1f}", "1"))
        with database() as uri:
            taken = await picked_up_after(uri, folder)
        rows.append(
            (
                "the same at another server on PostgreSQL (LEASE_SECONDS=6), s",
                f"{taken:.1f}",
                f"{taken / restarted:.1f}",
            )
        )
    text = f"Measured on {machine()}; {CLIENTS} clients, PostgreSQL on the same cores.\n\n{markdown(rows)}"
    sys.stdout.write(text + "\n")
    if not given.no_write:
        write_section("cluster", "Several servers on PostgreSQL", text)


if __name__ == "__main__":
    asyncio.run(main())
