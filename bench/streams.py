"""`python -m bench.streams`: how long a token takes from the model to the reader, and a thousand open streams.

The model notes in each token when it made it; client and server share the machine's clock. A stall is how much later
than its token's moment a reader has it. The streams open one after the other, and count once all are open. Memory is
looked at twice, for LangChain keeps every chunk of a message until it is whole: what a stream takes grows with its
tokens. The floor is LangGraph in a bare FastAPI route (`bench/floor.py`): what no server around it can do without.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from bench.http import ROOT, free_port, started, until_listening
from bench.report import machine, markdown, memory, write_section

TICKING = ROOT / "bench/ticking/langgraph.json"
OPENED_A_SECOND = 60
SECONDS_BETWEEN_LOOKS = 10
WARM_RUNS = 1_500
"""After so many, what is bounded whatever comes (remembered threads, SQLite's pages) is as large as it gets."""
_MADE = re.compile(rb'"content":"(\d+\.\d+) "')


async def follow(port: int, tokens: int, pause: float, *, after: float = 0.0) -> list[tuple[float, float]]:
    """When each token of one run was made, and the seconds from there to here; over a connection of its own."""
    await asyncio.sleep(after)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = {"tokens": tokens, "pause": pause}
    body = {"assistant_id": "ticking", "input": asked, "stream_mode": ["messages-tuple"], "if_not_exists": "create"}
    data = json.dumps(body).encode()
    head = (
        f"POST /threads/{uuid4()}/runs/stream HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    writer.write(head.encode() + data)
    late: list[tuple[float, float]] = []
    while line := await reader.readline():
        now = time.time()
        if made := _MADE.search(line):
            late.append((float(made[1]), now - float(made[1])))
        if line.startswith(b"event: end"):
            break
    writer.close()
    assert len(late) == tokens, f"{len(late)} of {tokens} tokens came"
    return late


@dataclass(frozen=True)
class Measured:
    first: list[float]
    """Seconds from the model to the reader, of streams that are alone."""
    late: list[float]
    """The same of every token that came while all streams were open."""
    bytes_a_stream: float
    """When all are open."""
    bytes_a_token: float
    """What each token adds to it."""
    tokens_so_far: float
    """Of a stream, then."""

    @property
    def bytes_at_first(self) -> float:
        return self.bytes_a_stream - self.bytes_a_token * self.tokens_so_far


async def measured(command: list[str], port: int, count: int, tokens_after: int) -> Measured:
    """What so many open streams cost the server that this command starts."""
    with started(command, {"LOG_FORMAT": "json", "MAX_CONCURRENT_RUNS": str(count)}) as process:
        await until_listening(port)
        for _ in range(WARM_RUNS // 20):
            await asyncio.gather(*(follow(port, 1, 0.0) for _ in range(20)))
        first = [(await follow(port, 1, 0.02))[0][1] for _ in range(60)]
        before = memory(process.pid)
        opening = count / OPENED_A_SECOND
        tokens = tokens_after + int(opening) + 2
        waits = [number / OPENED_A_SECOND for number in range(count)]
        streams = [asyncio.create_task(follow(port, tokens, 1.0, after=wait)) for wait in waits]
        await asyncio.sleep(opening + 2)
        all_open, open_memory = time.time(), memory(process.pid)
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        later, later_memory = time.time(), memory(process.pid)
        tokens_of_all = [token for one in await asyncio.gather(*streams) for token in one]
    late = [seconds for made, seconds in tokens_of_all if made > all_open]
    so_far, then = (sum(made < when for made, _ in tokens_of_all) / count for when in (all_open, later))
    a_token = (later_memory - open_memory) / count / (then - so_far)
    return Measured(first, late, (open_memory - before) / count, a_token, so_far)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument("--no-write", action="store_true")
    given = parser.parse_args()
    port, floor_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "server.py", "--port", str(port), "--data", f"{folder}/data"]
        ours = await measured([*command, "--config", str(TICKING)], port, given.streams, given.tokens)
    command = [sys.executable, "-m", "bench.floor", str(floor_port)]
    floor = await measured(command, floor_port, given.streams, given.tokens)
    text = f"Measured on {machine()}.\n\n{table(given.streams, ours, floor)}"
    sys.stdout.write(text + "\n")
    if not given.no_write:
        write_section("streams", "Streams", text)


def table(count: int, ours: Measured, floor: Measured) -> str:
    rows = [("figure", "floor", "threadkeep", "wanted")]

    def add(figure: str, wanted: str, of: Callable[[Measured], float], digits: int = 0) -> None:
        rows.append((figure, f"{of(floor):.{digits}f}", f"{of(ours):.{digits}f}", wanted))

    add(
        "first token, from the model to the reader, median ms", "≤ 5", lambda one: statistics.median(one.first) * 1e3, 2
    )
    add(f"{count:,} streams, a token a second each: median ms", "", lambda one: statistics.median(one.late) * 1e3, 1)
    add("the same, 99 of 100 within ms", "", lambda one: sorted(one.late)[int(len(one.late) * 0.99)] * 1e3)
    add("the same, longest stall, ms", "≤ 250", lambda one: max(one.late) * 1e3)
    add("memory for each open stream with its run, kB", "≤ 100", lambda one: one.bytes_a_stream / 1e3)
    add("tokens of a stream so far", "", lambda one: one.tokens_so_far, 1)
    add("of the memory, for each of these tokens, kB", "", lambda one: one.bytes_a_token / 1e3, 1)
    add("and without them, kB", "", lambda one: one.bytes_at_first / 1e3)
    return markdown(rows)


if __name__ == "__main__":
    asyncio.run(main())
