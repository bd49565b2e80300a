"""Graphs that raise what is no `Exception`, want to end the process, or will not be stopped: their own run suffers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import ROOT, ServerProcess, running_server

WILD = ROOT / "tests/projects/wild/langgraph.json"


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("wild") / "data", config=WILD) as server:
        yield server


@pytest.fixture
def http(wild: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=wild.url, timeout=30) as client:
        yield client


def thread_of(http: httpx.Client) -> str:
    thread_id: str = http.post("/threads", json={}).json()["thread_id"]
    return thread_id


def waited_for(http: httpx.Client, thread_id: str, graph: str, kind: str) -> Any:
    body = {"assistant_id": graph, "input": {"kind": kind}}
    return http.post(f"/threads/{thread_id}/runs/wait", json=body).json()


@pytest.mark.parametrize("graph", ["sync", "awaited"])
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("exit", "SystemExit"),
        ("exit well", "SystemExit"),
        ("interrupt", "KeyboardInterrupt"),
        ("panic", "PanicException"),
        ("generator", "GeneratorExit"),
        ("several", "BaseExceptionGroup"),
        ("speechless", "SpeechlessError"),
    ],
)
def test_whatever_a_node_raises_is_the_end_of_its_run_alone(
    http: httpx.Client, graph: str, kind: str, error: str
) -> None:
    thread_id = thread_of(http)
    assert waited_for(http, thread_id, graph, kind)["__error__"]["error"] == error
    [run] = http.get(f"/threads/{thread_id}/runs").json()
    assert run["status"] == "error"
    assert waited_for(http, thread_id, graph, "well")["visited"] == ["well"]
    assert http.get(f"/threads/{thread_id}").json()["status"] == "idle"
    assert http.delete(f"/threads/{thread_id}").status_code == 204


def test_an_end_of_the_process_that_is_asked_for_outside_of_a_node_is_refused(http: httpx.Client) -> None:
    assert waited_for(http, thread_of(http), "awaited", "callback")["visited"] == ["callback"]


def test_after_a_cancel_that_a_node_did_not_hear_no_other_node_begins(http: httpx.Client, tmp_path: Path) -> None:
    thread_id = thread_of(http)
    run_id = begun_deaf(http, thread_id, tmp_path / "begun", tenths=10)
    http.post(f"/threads/{thread_id}/runs/{run_id}/cancel", params={"wait": True}).raise_for_status()
    assert http.get(f"/threads/{thread_id}/runs/{run_id}").json()["status"] == "interrupted"
    assert "second" not in (http.get(f"/threads/{thread_id}/state").json()["values"].get("visited") or [])


def test_a_node_that_does_not_hear_holds_up_no_stop_and_its_run_goes_on_at_the_next_start(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", config=WILD, environment={"DRAIN_SECONDS": "0.2"}) as server:
        with server.client() as http:
            thread_id = thread_of(http)
            run_id = begun_deaf(http, thread_id, tmp_path / "begun", tenths=300)
        assert server.stop(seconds=25) == 0
        server.restart()
        with server.client() as http:
            assert http.get(f"/threads/{thread_id}/runs/{run_id}").json()["status"] in ("pending", "running")


def begun_deaf(http: httpx.Client, thread_id: str, file: Path, *, tenths: int) -> str:
    body = {"assistant_id": "deaf", "input": {"kind": str(tenths), "file": str(file)}}
    run_id: str = http.post(f"/threads/{thread_id}/runs", json=body).json()["run_id"]
    deadline = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return run_id
