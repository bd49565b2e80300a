"""Limits of one user and of all: each refused with a status that says so, and when to come back."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.sync.client import connect

from tests.auth.conftest import GUARDED, new_key
from tests.processes import ROOT, TRIAL_PROJECT, run_to_end, running_server

SLOW = {"assistant_id": "slow", "input": {"steps": 1, "seconds": 20}}


def limited(answer: httpx.Response) -> int:
    """That this is a refusal for the time being; the seconds to wait."""
    assert answer.status_code == 429, answer.text
    assert answer.json()["detail"]
    return int(answer.headers["retry-after"])


def test_requests_are_counted_by_user_and_wrong_keys_by_address(tmp_path: Path) -> None:
    keys = {name: {"x-api-key": new_key(tmp_path, name)} for name in ("ada", "bob")}
    environment = {"API_KEYS": "1", "RATE_LIMIT": "5/hour"}
    with running_server(tmp_path, config=GUARDED / "langgraph.json", environment=environment) as server:
        path = f"{server.url}/threads/{uuid4()}"
        assert [httpx.get(path, headers=keys["ada"]).status_code for _ in range(5)] == [404] * 5
        assert 3500 < limited(httpx.get(path, headers=keys["ada"])) <= 3601
        assert httpx.get(path, headers=keys["bob"]).status_code == 404
        command = {"id": 1, "method": "agent.getTree", "params": {}}
        events = f"{path.replace('http', 'ws', 1)}/stream/events"
        with connect(events, additional_headers=keys["bob"]) as socket:  # bob's second, and each command one more
            refusals = []
            for _ in range(4):
                socket.send(json.dumps(command))
                refusals.append(json.loads(socket.recv(timeout=20))["message"].startswith("Too many requests"))
        assert refusals == [False, False, False, True]
        limited(httpx.post(f"{path}/commands", json=command, headers=keys["bob"]))
        wrong = {"x-api-key": "tk_000000000000_" + "x" * 43}
        assert [httpx.get(path, headers=wrong).status_code for _ in range(6)] == [401] * 5 + [429]
        assert {httpx.get(f"{server.url}/health").status_code for _ in range(20)} == {200}


def test_runs_that_wait_or_execute_are_limited_and_come_together_in_vain(tmp_path: Path) -> None:
    environment = {"MAX_ACTIVE_RUNS_PER_USER": "3", "MAX_ACTIVE_RUNS": "4"}
    with running_server(tmp_path, config=TRIAL_PROJECT, environment=environment) as server:

        def start(user: str) -> httpx.Response:
            body = {**SLOW, "config": {"configurable": {"user_id": user}}}
            return httpx.post(f"{server.url}/runs", json=body, timeout=30)

        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(start, ["ada"] * 10))
        taken = [answer for answer in answers if answer.status_code == 200]
        assert len(taken) == 4  # nobody has logged in and named no user: only the limit of all holds
        assert {limited(answer) for answer in answers if answer.status_code != 200} == {5}
        httpx.post(f"{server.url}/runs/cancel", json={"status": "all"}, timeout=30).raise_for_status()
        chats = [{"message": "wait", "graph": "slow", "user_id": "ada"} for _ in range(5)]
        with ThreadPoolExecutor(5) as pool:
            refused = pool.map(lambda chat: _status(f"{server.url}/chat", chat), chats)
            assert list(refused).count(429) >= 2


def _status(url: str, body: dict[str, Any]) -> int:
    try:
        return httpx.post(url, json=body, timeout=3).status_code
    except httpx.ReadTimeout:
        return 0  # it was taken, and runs


def test_open_streams_are_limited_and_a_closed_one_makes_room(tmp_path: Path) -> None:
    environment = {"MAX_CONNECTIONS_PER_USER": "2"}
    with running_server(tmp_path, config=TRIAL_PROJECT, environment=environment) as server:
        url = f"{server.url}/runs/stream"
        with (
            httpx.stream("POST", url, json=SLOW, timeout=30) as first,
            httpx.stream("POST", url, json=SLOW, timeout=30) as second,
        ):
            assert (first.status_code, second.status_code) == (200, 200)
            limited(httpx.post(url, json=SLOW, timeout=30))
        for _ in range(200):  # the server notices closed connections on its own time
            answer = httpx.post(f"{server.url}/threads", json={}, timeout=30)
            if answer.status_code == 200:
                break
        assert answer.status_code == 200


def test_a_user_whose_tokens_of_the_day_are_used_up_waits_for_tomorrow(tmp_path: Path) -> None:
    environment = {"TOKENS_PER_DAY_PER_USER": "10"}
    with running_server(tmp_path, environment=environment) as server:
        ask = {"message": "what is 17.5% of 2,340?", "user_id": "ada"}
        assert httpx.post(f"{server.url}/chat", json=ask, timeout=60).status_code == 200
        assert 0 < limited(httpx.post(f"{server.url}/chat", json=ask, timeout=60)) <= 86_401
        assert httpx.post(f"{server.url}/chat", json={**ask, "user_id": "bob"}, timeout=60).status_code == 200
        server.kill()
        server.restart()
        limited(httpx.post(f"{server.url}/chat", json=ask, timeout=60))


def test_a_thread_that_has_grown_too_large_takes_no_more_runs_until_it_is_pruned(tmp_path: Path) -> None:
    environment = {"MAX_THREAD_BYTES": "20000", "MAX_RECURSION_LIMIT": "50"}
    with running_server(tmp_path, config=TRIAL_PROJECT, environment=environment) as server:
        client = f"{server.url}/threads/{httpx.post(f'{server.url}/threads', json={}).json()['thread_id']}"
        say = {"assistant_id": "echo", "input": {"messages": [{"role": "user", "content": "x" * 5_000}]}}
        while (answer := httpx.post(f"{client}/runs/wait", json=say, timeout=30)).status_code == 200:
            pass
        assert answer.status_code == 413
        assert "MAX_THREAD_BYTES" in answer.json()["detail"]
        assert httpx.get(f"{client}/state").status_code == 200
        deep = httpx.post(f"{server.url}/runs/wait", json={**say, "config": {"recursion_limit": 51}}, timeout=30)
        assert (deep.status_code, "at most 50" in deep.json()["detail"]) == (422, True)


@pytest.mark.parametrize("wrong", ["many", "5/fortnight", "/minute"])
def test_a_rate_that_cannot_be_read_stops_the_start(tmp_path: Path, wrong: str) -> None:
    refused = run_to_end("--port", "0", "--data", str(tmp_path), environment={"RATE_LIMIT": wrong}, cwd=ROOT)
    assert refused.returncode == 1
    assert "RATE_LIMIT must be like" in refused.stderr
