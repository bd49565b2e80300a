"""Several servers on one database are one server: whoever is asked, whoever runs it, whoever dies."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.cluster.conftest import LEASE_SECONDS
from tests.processes import ServerProcess
from tests.runs.scenarios import frames_in, whole_stream
from tests.webhook_receiver import receiving

Servers = list[ServerProcess]


def until(true: Callable[[], Any], what: str, *, seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


def start(at: ServerProcess, assistant: str, given: dict[str, Any], **body: Any) -> tuple[str, str]:
    """A background run on a thread of its own; (thread id, run id)."""
    with at.client() as http:
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        body = {"assistant_id": assistant, "input": given, "stream_resumable": True, **body}
        run = http.post(f"/threads/{thread_id}/runs", json=body)
        assert run.status_code == 200, run.text
        return thread_id, run.json()["run_id"]


def get(at: ServerProcess, path: str) -> Any:
    with at.client() as http:
        return http.get(path).raise_for_status().json()


def runner_of(servers: Servers, run_id: str) -> ServerProcess:
    """Which of them has started the run, as its log says."""

    def started() -> ServerProcess | None:
        return next((one for one in servers if any(told(one, "run_started", run_id))), None)

    return until(started, "a server starts the run")


def told(server: ServerProcess, event: str, run_id: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == event and line.get("run_id") == run_id]


def test_a_thread_made_at_one_server_goes_on_at_another(servers: Servers) -> None:
    with servers[0].client() as http:
        thread_id = http.post("/threads", json={"metadata": {"made": "here"}}).json()["thread_id"]
    for number, server in enumerate(servers):
        with server.client() as http:
            values = http.post(
                f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": {"messages": f"hi {number}"}}
            ).json()
            assert len(values["messages"]) == 2 * (number + 1)
            assert http.post("/threads/search", json={"metadata": {"made": "here"}}).json()[0]["status"] == "idle"


def test_a_stream_crosses_servers_with_no_frame_lost_or_doubled(servers: Servers) -> None:
    thread_id, run_id = start(
        servers[0], "slow", {"steps": 20, "seconds": 0.05}, stream_mode=["updates", "values", "custom"]
    )
    seen: list[list[tuple[int, str, Any]]] = [[], [], []]

    def follow(number: int) -> None:
        with servers[number].client() as http:
            path = f"/threads/{thread_id}/runs/{run_id}/stream"
            seen[number] = frames_in(http.get(path, headers={"last-event-id": "-1"}).text)

    readers = [threading.Thread(target=follow, args=(number,)) for number in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert [name for _, name, _ in seen[0]].count("end") == 1
    assert [number for number, _, _ in seen[0]] == list(range(1, len(seen[0]) + 1))
    assert seen[1] == seen[0] == seen[2]
    # Each of them can give the rest from any place, long after.
    with servers[2].client() as http:
        rest = http.get(f"/threads/{thread_id}/runs/{run_id}/stream", headers={"last-event-id": "5"}).text
    assert frames_in(rest) == seen[0][5:]


def test_a_run_that_is_not_resumable_is_waited_for_at_another_server(servers: Servers) -> None:
    thread_id, run_id = start(servers[0], "slow", {"steps": 10, "seconds": 0.05}, stream_resumable=False)
    for server in servers[1:]:
        with server.client() as http:
            assert http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()["done"] == list(range(10))


def test_a_run_is_cancelled_from_any_server(servers: Servers) -> None:
    thread_id, run_id = start(servers[0], "slow", {"steps": 2000, "seconds": 0.02})
    runner = runner_of(servers, run_id)
    other = next(server for server in servers if server is not runner)
    with other.client() as http:
        cancelled = http.post(f"/threads/{thread_id}/runs/{run_id}/cancel", params={"wait": "true"})
        assert cancelled.status_code in (200, 204)
    assert get(runner, f"/threads/{thread_id}/runs/{run_id}")["status"] == "interrupted"


def test_the_runs_of_a_dead_server_go_on_at_another_within_seconds(servers: Servers, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    given = {"steps": 40, "seconds": 0.1, "journal": str(journal)}
    thread_id, run_id = start(servers[0], "slow", given, stream_mode=["updates"])
    runner = runner_of(servers, run_id)
    until(lambda: journal.exists() and len(journal.read_text().split()) >= 3, "some steps are done")
    runner.kill()
    died = time.monotonic()
    others = [server for server in servers if server is not runner]
    heir = runner_of(others, run_id)
    assert time.monotonic() - died < 10 * LEASE_SECONDS
    with heir.client() as http:
        assert http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()["done"] == list(range(40))
        whole_stream(http, f"/threads/{thread_id}/runs/{run_id}/stream")
    visits = journal.read_text().split()
    assert len(visits) - 40 <= 1, "nothing was done again but the step it died in"


def test_a_server_paused_past_its_lease_cannot_end_a_run_that_another_took_over(
    servers: Servers, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    given = {"steps": 30, "seconds": 0.1, "journal": str(journal)}
    thread_id, run_id = start(servers[0], "slow", given, stream_mode=["updates"])
    runner = runner_of(servers, run_id)
    until(lambda: journal.exists() and len(journal.read_text().split()) >= 3, "some steps are done")
    runner.send(signal.SIGSTOP)
    others = [server for server in servers if server is not runner]
    heir = runner_of(others, run_id)
    runner.send(signal.SIGCONT)
    with heir.client() as http:
        assert http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()["done"] == list(range(30))
        whole_stream(http, f"/threads/{thread_id}/runs/{run_id}/stream")
    until(lambda: told(runner, "run_lost", run_id), "the paused server finds out")
    assert not any(line["status"] == "success" for line in told(runner, "run_ended", run_id))
    # It is a good server again.
    other_thread, _ = start(runner, "echo", {"messages": "hello"})
    until(lambda: get(runner, f"/threads/{other_thread}")["status"] == "idle", "it works on")


def test_a_webhook_is_sent_once(servers: Servers) -> None:
    with receiving() as receiver:
        threads = [
            start(server, "echo", {"messages": "hello"}, webhook=f"{receiver.url}/done") for server in servers * 4
        ]
        until(lambda: len(receiver.at("/done")) >= len(threads), "every run has told")
        told_runs = [one.body["run_id"] for one in receiver.at("/done")]
        assert sorted(told_runs) == sorted(run_id for _, run_id in threads)


def test_one_thread_runs_at_one_server_at_a_time_and_in_order(servers: Servers, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with servers[0].client() as http:
        thread_id = http.post("/threads", json={}).json()["thread_id"]
    run_ids = []
    for number in range(9):
        with servers[number % 3].client() as http:
            given = {"steps": 2, "seconds": 0.01, "journal": str(journal)}
            run = http.post(f"/threads/{thread_id}/runs", json={"assistant_id": "slow", "input": given})
            run_ids.append(run.json()["run_id"])
    until(lambda: get(servers[1], f"/threads/{thread_id}")["status"] == "idle", "all have run")
    runs = get(servers[2], f"/threads/{thread_id}/runs?limit=20")
    assert [run["run_id"] for run in runs] == run_ids[::-1]
    assert {run["status"] for run in runs} == {"success"}
    assert httpx.get(f"{servers[0].url}/metrics", params={"format": "json"}).json()["queue"]["pending"] == 0
