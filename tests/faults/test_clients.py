"""Clients that go away, stop reading, come in thousands; and a log nobody reads: rows 16 to 20, 31, 34 and 35."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.processes import ROOT, TRIAL_PROJECT, ServerProcess, clean_environment


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    environment = {"HEARTBEAT_SECONDS": "0.2", "SEND_TIMEOUT_SECONDS": "1", "STREAM_BUFFER_BYTES": "200000"}
    process = ServerProcess(tmp_path / "data", TRIAL_PROJECT, environment)
    try:
        yield process.start()
    finally:
        if process.process is not None:
            process.kill()


def open_stream(url: str, path: str, body: dict[str, Any] | None = None) -> socket.socket:
    """A raw connection on which a stream was asked for, and nothing has been read."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), timeout=20)
    data = b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    head = f"{method} {path} HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-type: application/json\r\n"
    connection.sendall(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
    return connection


def memory_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def slow_body(**given: Any) -> dict[str, Any]:
    return {"assistant_id": "slow", "input": given, "stream_mode": ["values", "updates"]}


@pytest.mark.fault(17)
def test_a_run_goes_on_when_its_client_goes_away_unless_it_asked_otherwise(server: ServerProcess) -> None:
    with server.client() as http:
        statuses = {}
        for choice in ("continue", "cancel"):
            thread_id = http.post("/threads", json={}).json()["thread_id"]
            body = slow_body(steps=4, seconds=0.3) | {"on_disconnect": choice}
            connection = open_stream(server.url, f"/threads/{thread_id}/runs/stream", body)
            assert b"200 OK" in connection.recv(4096)
            connection.close()
            run = http.get(f"/threads/{thread_id}/runs").json()[0]
            http.get(f"/threads/{thread_id}/runs/{run['run_id']}/join").raise_for_status()
            statuses[choice] = http.get(f"/threads/{thread_id}/runs/{run['run_id']}").json()["status"]
    assert statuses == {"continue": "success", "cancel": "interrupted"}


@pytest.mark.fault(18)
def test_a_reader_that_stops_reading_is_dropped_and_its_run_is_not(server: ServerProcess) -> None:
    with server.client() as http:
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        words = f"{'w' * 120} " * 600  # some 20 MB of frames, more than the kernel's buffers take
        body = {
            "assistant_id": "talkative",
            "input": {"messages": [{"role": "user", "content": words}]},
            "stream_mode": ["messages"],  # every frame holds the whole message so far
        }
        connection = open_stream(server.url, f"/threads/{thread_id}/runs/stream", body)
        assert b"200 OK" in connection.recv(100)
        run = http.get(f"/threads/{thread_id}/runs").json()[0]
        assert server.process is not None
        before = memory_bytes(server.process.pid)
        deadline = time.monotonic() + 100
        while http.get(f"/threads/{thread_id}/runs/{run['run_id']}").json()["status"] == "running":
            assert time.monotonic() < deadline, "the run waits for its reader"
        assert memory_bytes(server.process.pid) - before < 100_000_000
        received = read_all(connection)
        assert not received.endswith(b"0\r\n\r\n"), "cut, not ended: a clean end would say that this was all"


def read_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(1_000_000):
            received += piece
    except ConnectionResetError:
        pass
    connection.close()
    return received


@pytest.mark.fault(19)
async def test_a_thousand_idle_streams_are_nothing_special(server: ServerProcess) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    address = urlsplit(server.url)
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        thread_id = (await http.post("/threads", json={})).json()["thread_id"]
        run = (await http.post(f"/threads/{thread_id}/runs", json=slow_body(steps=1, seconds=600))).json()
        assert server.process is not None
        before = memory_bytes(server.process.pid)
        path = f"/threads/{thread_id}/runs/{run['run_id']}/stream"
        request = f"GET {path} HTTP/1.1\r\nhost: {address.netloc}\r\n\r\n".encode()
        readers = []
        for _ in range(1000):
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(request)
            readers.append((reader, writer))
        async with asyncio.timeout(100):
            for reader, _ in readers:
                await reader.readuntil(b": heartbeat")
        assert (memory_bytes(server.process.pid) - before) / 1000 < 100_000
        assert (await http.get("/ok")).status_code == 200
        for _, writer in readers:
            writer.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.fault(20)
def test_running_out_of_file_descriptors_is_survived_without_a_flood_in_the_log(tmp_path: Path) -> None:
    command = f"ulimit -n 96; exec {sys.executable} {ROOT / 'server.py'} --port 0 --data {tmp_path / 'data'}"
    log = (tmp_path / "log").open("wb")
    with subprocess.Popen(
        ["bash", "-c", command], cwd=ROOT, env=clean_environment({}), stdout=subprocess.PIPE, stderr=log
    ) as process:
        assert process.stdout is not None
        url = next(line.split()[1].decode() for line in process.stdout if b"Address" in line)
        address = urlsplit(url)
        connections = []
        try:
            while len(connections) < 150:
                connections.append(socket.create_connection((address.hostname, address.port), timeout=5))
        except OSError:
            pass  # refused is as good as waiting in the kernel's queue
        for connection in connections:
            connection.close()
        deadline = time.monotonic() + 30
        while True:
            try:
                assert httpx.get(f"{url}/ok", timeout=5).status_code == 200
                break
            except httpx.HTTPError:
                assert time.monotonic() < deadline, "the server did not recover"
        process.send_signal(signal.SIGKILL)
    log.close()
    assert (tmp_path / "log").stat().st_size < 1_000_000


@pytest.mark.fault(31)
def test_a_body_past_the_limit_is_refused_before_it_is_read(server: ServerProcess) -> None:
    with server.client() as http:
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        text = "x" * 21_000_000
        refused = http.post(
            f"/threads/{thread_id}/runs/wait",
            json={"assistant_id": "echo", "input": {"messages": [{"role": "user", "content": text}]}},
        )
        assert refused.status_code == 413
        assert "detail" in refused.json()
        assert http.get("/ok").status_code == 200


@pytest.mark.fault(34)
def test_a_server_that_stood_still_goes_on_as_if_nothing_had_been(server: ServerProcess) -> None:
    with server.client() as http:
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        run = http.post(f"/threads/{thread_id}/runs", json=slow_body(steps=5, seconds=0.1)).json()
        server.send(signal.SIGSTOP)
        assert server.process is not None
        os.waitid(os.P_PID, server.process.pid, os.WSTOPPED | os.WNOWAIT)
        server.send(signal.SIGCONT)
        values = http.get(f"/threads/{thread_id}/runs/{run['run_id']}/join").json()
        assert values["done"] == list(range(5))
        assert http.get(f"/threads/{thread_id}/runs/{run['run_id']}").json()["attempt"] == 1


@pytest.mark.fault(35)
def test_a_log_that_nobody_reads_any_more_does_not_stop_the_server(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, str(ROOT / "server.py"), "--port", "0", "--data", str(tmp_path / "data")],
        cwd=ROOT,
        env=clean_environment({}),
        stdout=subprocess.PIPE,
        stderr=writing,
    ) as process:
        os.close(writing)
        assert process.stdout is not None
        url = next(line.split()[1].decode() for line in process.stdout if b"Address" in line)
        os.close(reading)
        for _ in range(3):
            reply = httpx.post(f"{url}/chat", json={"message": "what is 2+2?"}, timeout=30)
            assert reply.status_code == 200, reply.text
        process.send_signal(signal.SIGKILL)
