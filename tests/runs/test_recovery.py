"""Restarts, stops and stuck runs, on real processes: what was accepted goes on, and nobody waits for ever."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import TRIAL_PROJECT, ServerProcess
from tests.runs.scenarios import frames_in, whole_stream


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path / "data", TRIAL_PROJECT, {"DRAIN_SECONDS": "20"})
    try:
        yield process.start()
    finally:
        if process.process is not None:
            process.kill()


def start(http: httpx.Client, assistant: str, given: dict[str, Any], **body: Any) -> tuple[str, str]:
    """A background run on a thread of its own; (thread id, run id)."""
    thread_id = http.post("/threads", json={}).json()["thread_id"]
    run = http.post(
        f"/threads/{thread_id}/runs", json={"assistant_id": assistant, "input": given, "stream_resumable": True, **body}
    )
    assert run.status_code == 200, run.text
    return thread_id, run.json()["run_id"]


def until_begun(path: Path) -> None:
    """Return when a node has left its first line in the journal."""
    deadline = time.monotonic() + 20
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, "the run did not begin"


@pytest.mark.fault(8)
def test_what_was_running_is_resumed_at_once_and_then_what_was_queued(server: ServerProcess, tmp_path: Path) -> None:
    journals = [tmp_path / f"journal-{number}" for number in range(2)]
    with server.client() as http:
        thread_id, running = start(http, "slow", {"steps": 2, "seconds": 0.5, "journal": str(journals[0])})
        queued = http.post(
            f"/threads/{thread_id}/runs",
            json={"assistant_id": "slow", "input": {"steps": 4, "seconds": 0.01, "journal": str(journals[1])}},
        ).json()["run_id"]
        until_begun(journals[0])
    server.kill()
    server.restart()
    with server.client() as http:
        for run_id in (running, queued):
            http.get(f"/threads/{thread_id}/runs/{run_id}/join").raise_for_status()
        runs = {run["run_id"]: run for run in http.get(f"/threads/{thread_id}/runs").json()}
        assert [runs[run_id]["status"] for run_id in (running, queued)] == ["success", "success"]
        assert runs[running]["attempt"] == 2
        thread = http.get(f"/threads/{thread_id}").json()
        assert (thread["status"], thread["values"]["done"]) == ("idle", [0, 1, 2, 3])
    assert '"rescued_runs":1' in server.log


@pytest.mark.fault(3)
@pytest.mark.parametrize("step", [1, 2])
def test_of_a_process_that_dies_as_a_step_begins_no_step_before_it_is_repeated(
    server: ServerProcess, tmp_path: Path, step: int
) -> None:
    journal = tmp_path / "journal"
    with server.client() as http:
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        given = {"steps": 3, "seconds": 0, "journal": str(journal), "dies_at": step}
        with pytest.raises(httpx.HTTPError):
            http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "slow", "input": given})
    assert server.ended() == 9
    server.start()
    with server.client() as http:
        [run] = http.get(f"/threads/{thread_id}/runs").json()
        assert http.get(f"/threads/{thread_id}/runs/{run['run_id']}/join").json()["done"] == [0, 1, 2]
    assert journal.read_text().split() == [str(number) for number in sorted([0, 1, 2, step])]


def test_a_reader_that_comes_back_after_the_restart_gets_the_rest_with_the_attempts_number(
    server: ServerProcess, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    given = {"steps": 3, "seconds": 0.3, "journal": str(journal)}
    with server.client() as http:
        thread_id, run_id = start(http, "slow", given, stream_mode=["updates"])
        until_begun(journal)
        path = f"/threads/{thread_id}/runs/{run_id}/stream"
        seen = b""
        with http.stream("GET", path, headers={"last-event-id": "-1"}) as reply:
            pieces = reply.iter_raw()
            while b"event: updates" not in seen:
                seen += next(pieces)
            server.kill()
            with pytest.raises(httpx.RemoteProtocolError):
                next(pieces)
    before = frames_in(seen.decode())
    server.restart()
    with server.client() as http:
        rest = frames_in(http.get(path, headers={"last-event-id": str(before[-1][0])}).text)
        numbers = [number for number, _, _ in before + rest]
        assert numbers == list(range(1, len(numbers) + 1))
        assert rest[-1][1] == "end"
        attempts = [data["attempt"] for _, name, data in before + rest if name == "metadata"]
        assert attempts == [1, 2]
        whole_stream(http, path)


@pytest.mark.fault(9)
def test_a_run_that_kills_the_process_is_parked_after_three_starts(server: ServerProcess) -> None:
    with server.client() as http:
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        with pytest.raises(httpx.HTTPError):
            http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "failing", "input": {"how": "exit"}})
    assert server.ended() == 9
    for _ in range(2):
        try:
            server.start()
        except AssertionError:
            continue  # it died before it could tell its address
        assert server.ended() == 9
    server.start()
    with server.client() as http:
        run = http.get(f"/threads/{thread_id}/runs").json()[0]
        joined = http.get(f"/threads/{thread_id}/runs/{run['run_id']}/join").json()
        assert joined["__error__"]["error"] == "PoisonRun"
        run = http.get(f"/threads/{thread_id}/runs/{run['run_id']}").json()
        assert (run["status"], run["attempt"]) == ("error", 4)
        assert "not tried again" in run["error"]["message"]
        assert http.get(f"/threads/{thread_id}").json()["status"] == "error"
        again = http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "failing", "input": {"how": "not"}})
        assert again.json()["survived"] is True


@pytest.mark.fault(28)
def test_a_stop_lets_runs_reach_a_border_and_puts_them_back(server: ServerProcess, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with server.client() as http:
        thread_id, run_id = start(http, "slow", {"steps": 30, "seconds": 0.2, "journal": str(journal)})
        until_begun(journal)
    assert server.stop(seconds=15) == 0
    visits = len(journal.read_text().split())
    assert visits < 30
    assert "run_released" in server.log
    server.restart()
    with server.client() as http:
        values = http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()
    assert values["done"] == list(range(30))
    assert journal.read_text().split() == [str(number) for number in range(30)], "a step ran twice, or not at all"


def test_a_run_too_slow_for_a_stop_is_put_back_as_well_and_is_not_blamed(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    server = ServerProcess(tmp_path / "data", TRIAL_PROJECT, {"DRAIN_SECONDS": "0.1", "MAX_ATTEMPTS": "1"}).start()
    try:
        with server.client() as http:
            thread_id, run_id = start(http, "slow", {"steps": 1, "seconds": 4.0, "journal": str(journal)})
        for _ in range(2):
            until_begun(journal)
            assert server.stop(seconds=15) == 0
            journal.unlink()
            server.restart()
        with server.client() as http:
            assert http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()["done"] == [0]
    finally:
        if server.process is not None:
            server.kill()


def test_a_run_that_keeps_its_state_until_its_end_starts_again_after_a_kill(
    server: ServerProcess, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    with server.client() as http:
        given = {"steps": 3, "seconds": 0.4, "journal": str(journal)}
        thread_id, run_id = start(http, "slow", given, durability="exit")
        deadline = time.monotonic() + 20
        while not (journal.exists() and len(journal.read_text().split()) >= 2):
            assert time.monotonic() < deadline, "the run did not come to its second step"
    server.kill()
    server.restart()
    with server.client() as http:
        assert http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()["done"] == [0, 1, 2]
        assert len(http.get(f"/threads/{thread_id}/history?limit=100").json()) == 1
    assert journal.read_text().split() == ["0", "1", "0", "1", "2"]


def test_a_stopping_server_is_not_ready_and_takes_no_runs(server: ServerProcess, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with server.client() as http:
        start(http, "slow", {"steps": 2, "seconds": 2.0, "journal": str(journal)})
        until_begun(journal)
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        server.send(signal.SIGTERM)
        deadline = time.monotonic() + 10
        while (ready := http.get("/ready")).status_code != 503:
            assert time.monotonic() < deadline, "a stopping server stays ready"
        assert ready.json()["reasons"] == ["The server is stopping."]
        refused = http.post(f"/threads/{thread_id}/runs", json={"assistant_id": "echo", "input": {}})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
    assert server.ended(seconds=20) == 0


@pytest.mark.fault(29)
def test_a_second_signal_ends_the_server_at_once_and_safely(server: ServerProcess, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with server.client() as http:
        thread_id, run_id = start(http, "slow", {"steps": 1, "seconds": 3.0, "journal": str(journal)})
        until_begun(journal)
        server.send(signal.SIGTERM)
        while http.get("/ready").status_code != 503:
            pass
        server.send(signal.SIGTERM)
    assert server.ended(seconds=5) == 130
    server.restart()
    with server.client() as http:
        assert http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()["done"] == [0]


def test_a_run_past_its_time_ends_as_timeout_and_its_thread_can_be_used_again(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", TRIAL_PROJECT, {"RUN_TIMEOUT_SECONDS": "0.3"})
    server.start()
    try:
        with server.client() as http:
            thread_id, run_id = start(http, "slow", {"steps": 1, "seconds": 60})
            joined = http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()
            assert joined["__error__"]["error"] == "RunTimeout"
            assert http.get(f"/threads/{thread_id}/runs/{run_id}").json()["status"] == "timeout"
            again = http.post(
                f"/threads/{thread_id}/runs/wait", json={"assistant_id": "slow", "input": {"steps": 1, "seconds": 0}}
            )
            assert again.json()["done"] == [0]
    finally:
        server.kill()


def test_a_thread_past_its_time_to_live_goes_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", TRIAL_PROJECT, {"SWEEP_SECONDS": "0.05"})
    server.start()
    try:
        with server.client() as http:
            kept = http.post("/threads", json={"ttl": {"strategy": "delete", "ttl": 60}}).json()["thread_id"]
            gone = http.post("/threads", json={"ttl": {"strategy": "delete", "ttl": 0.005}}).json()["thread_id"]
            deadline = time.monotonic() + 20
            while http.get(f"/threads/{gone}").status_code != 404:
                assert time.monotonic() < deadline, "the thread outlived its time"
            assert http.get(f"/threads/{kept}").status_code == 200
    finally:
        server.kill()
