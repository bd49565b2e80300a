"""`python -m bench.streams`: how long a token takes from the model to the reader, and a thousand open streams.

The model notes in each token when it made it; client and server share the machine's clock. A stall is how much later
than its token's moment a reader has it. The streams open one after the other, and count once all are open.
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
from uuid import uuid4

from bench.http import ROOT, free_port, started, until_listening
from bench.report import machine, markdown, memory, write_section

TICKING = ROOT / "bench/ticking/langgraph.json"
OPENED_A_SECOND = 60
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


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument("--no-write", action="store_true")
    given = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "server.py",
            "--port",
            str(port),
            "--data",
            f"{folder}/data",
            "--config",
            str(TICKING),
        ]
        with started(command, {"LOG_FORMAT": "json", "MAX_CONCURRENT_RUNS": str(given.streams)}) as process:
            await until_listening(port)
            await asyncio.gather(*(follow(port, 5, 0.01) for _ in range(20)))  # warm
            first = [(await follow(port, 1, 0.02))[0][1] for _ in range(60)]
            before = memory(process.pid)
            opening = given.streams / OPENED_A_SECOND
            tokens = given.tokens + int(opening) + 2
            waits = [number / OPENED_A_SECOND for number in range(given.streams)]
            streams = [asyncio.create_task(follow(port, tokens, 1.0, after=wait)) for wait in waits]
            await asyncio.sleep(opening + 2)
            all_open = time.time()
            a_stream = (memory(process.pid) - before) / given.streams
            late = [seconds for one in await asyncio.gather(*streams) for made, seconds in one if made > all_open]
    ordered = sorted(late)
    rows = [
        ("figure", "measured", "wanted"),
        ("first token, from the model to the reader, median ms", f"{statistics.median(first) * 1e3:.2f}", "≤ 5"),
        (f"{given.streams:,} streams, a token a second each: median ms", f"{statistics.median(late) * 1e3:.1f}", ""),
        ("the same, 99 of 100 within ms", f"{ordered[int(len(ordered) * 0.99)] * 1e3:.0f}", ""),
        ("the same, longest stall, ms", f"{ordered[-1] * 1e3:.0f}", "≤ 250"),
        ("memory for each open stream with its run, kB", f"{a_stream / 1e3:.0f}", "≤ 100"),
    ]
    text = f"Measured on {machine()}.\n\n{markdown(rows)}"
    sys.stdout.write(text + "\n")
    if not given.no_write:
        write_section("streams", "Streams", text)


if __name__ == "__main__":
    asyncio.run(main())
