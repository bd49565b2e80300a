"""Clients that connect and send nothing, or not all: rows 20 and 36. Whoever waits for the server is left alone."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.sync.client import connect

from tests.faults.test_clients import open_stream, slow_body
from tests.processes import ROOT, TRIAL_PROJECT, ServerProcess, clean_environment, running_server

SECONDS = 1.0
HEAD = "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    environment = {"RECEIVE_TIMEOUT_SECONDS": str(SECONDS), "HEARTBEAT_SECONDS": "0.2"}
    with running_server(tmp_path / "data", config=TRIAL_PROJECT, environment=environment) as server:
        yield server


def connected(url: str) -> socket.socket:
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port), timeout=20)


def head(url: str, method: str, path: str, length: int | None = None) -> bytes:
    text = HEAD.format(method=method, path=path, host=urlsplit(url).netloc)
    return (text + ("" if length is None else f"content-length: {length}\r\n") + "\r\n").encode()


def asked(connection: socket.socket, url: str, path: str) -> int:
    """The status of a whole answer, after which the connection rests."""
    connection.sendall(head(url, "GET", path))
    reply = HTTPResponse(connection)
    reply.begin()
    reply.read()
    return reply.status


def answer(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


@pytest.mark.fault(36)
def test_a_client_that_sends_nothing_is_cut(server: ServerProcess) -> None:
    with connected(server.url) as connection:
        assert answer(connection) == b""


@pytest.mark.fault(36)
@pytest.mark.parametrize("whole", [False, True], ids=["part of a head", "part of a body"])
def test_a_client_that_sends_a_part_of_a_request_is_told_that_it_is_late(server: ServerProcess, whole: bool) -> None:
    request = head(server.url, "POST", "/threads", 100) + b'{"metadata":' if whole else b"POST /threads HTTP/1.1\r\nho"
    with connected(server.url) as connection:
        connection.sendall(request)
        assert answer(connection).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    with server.client() as client:
        assert client.get("/ready").status_code == 200
    assert "Traceback" not in server.log


@pytest.mark.fault(36)
def test_a_head_that_comes_byte_by_byte_is_late_all_the_same(server: ServerProcess) -> None:
    with connected(server.url) as connection:
        begun = time.monotonic()
        connection.sendall(b"GET /ok HTTP/1.1\r\nx: ")
        connection.settimeout(SECONDS / 5)  # the pace of a client that never ends
        while True:
            try:
                assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")
                break
            except TimeoutError:
                assert time.monotonic() - begun < 20 * SECONDS
                connection.sendall(b"x")


@pytest.mark.fault(36)
def test_a_client_that_stops_in_a_later_request_is_cut_too(server: ServerProcess) -> None:
    with connected(server.url) as connection:
        assert asked(connection, server.url, "/ok") == 200
        connection.sendall(b"GET /ok HT")
        assert answer(connection).startswith(b"HTTP/1.1 408 ")


@pytest.mark.fault(36)
def test_a_body_may_be_slow_as_long_as_it_comes(server: ServerProcess) -> None:
    body = json.dumps({"metadata": {"words": "slow"}}).encode()
    with connected(server.url) as connection:
        connection.sendall(head(server.url, "POST", "/threads", len(body)))
        connection.settimeout(SECONDS / 3)  # the pace of a slow client
        for number in range(10):
            with pytest.raises(TimeoutError):
                connection.recv(4096)
            connection.sendall(body[number : number + 1])
        connection.settimeout(20)
        connection.sendall(body[10:])
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.fault(36)
def test_who_waits_for_the_server_is_left_alone(server: ServerProcess) -> None:
    with server.client() as client, ExitStack() as opened:
        thread_id = client.post("/threads", json={}).json()["thread_id"]
        resting = opened.enter_context(connected(server.url))
        assert asked(resting, server.url, "/ok") == 200
        path = f"/threads/{thread_id}/stream/events"
        talking = opened.enter_context(connect(server.url.replace("http", "ws") + path, open_timeout=20))
        waiting = opened.enter_context(open_stream(server.url, "/runs/wait", slow_body(steps=1, seconds=4 * SECONDS)))
        streaming = opened.enter_context(
            open_stream(server.url, "/runs/stream", slow_body(steps=1, seconds=4 * SECONDS))
        )
        assert b"event: end" in read_until(streaming, b"event: end")
        assert b'"done":[0]' in read_until(waiting, b'"done":[0]')
        assert asked(resting, server.url, "/ok") == 200
        talking.send(json.dumps({"id": 1, "method": "subscription.subscribe", "params": {"channels": ["lifecycle"]}}))
        assert json.loads(talking.recv(timeout=20))["id"] == 1


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    received = b""
    while wanted not in received and (piece := connection.recv(65536)):
        received += piece
    return received


@contextmanager
def server_with_files(files: int, tmp_path: Path) -> Iterator[str]:
    """A server that may have so many files open; its address."""
    command = f"ulimit -n {files}; exec {sys.executable} {ROOT / 'server.py'} --port 0 --data {tmp_path / 'data'}"
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            ["bash", "-c", command], cwd=ROOT, env=clean_environment({}), stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield next(line.split()[1].decode() for line in process.stdout if b"Address" in line)
        finally:
            process.kill()


@pytest.mark.fault(20)
def test_silent_clients_make_room_for_one_who_speaks_and_files_have_room_always(tmp_path: Path) -> None:
    with server_with_files(160, tmp_path) as url, ExitStack() as opened:
        for _ in range(150):
            opened.enter_context(connected(url))
        assert httpx.get(f"{url}/ready", timeout=20).status_code == 200
        reply = httpx.post(f"{url}/chat", json={"message": "what is 2+2?"}, timeout=20)
        assert reply.status_code == 200
        assert "4" in reply.json()["response"]
    log = (tmp_path / "log").read_text()
    assert log.count("connections_full") == 1
    assert "Traceback" not in log


def is_refused(url: str) -> bool:
    with connected(url) as connection:
        try:
            connection.sendall(head(url, "GET", "/ok"))
            return connection.recv(4096) == b""
        except ConnectionError:
            return True


@pytest.mark.fault(20)
def test_who_has_asked_once_is_not_cut_for_a_newcomer(tmp_path: Path) -> None:
    with server_with_files(160, tmp_path) as url, ExitStack() as opened:
        asking = [opened.enter_context(connected(url)) for _ in range(80)]
        for connection in asking:
            assert asked(connection, url, "/ok") == 200
        assert all(is_refused(url) for _ in range(20))
        assert asked(asking[0], url, "/ready") == 200
