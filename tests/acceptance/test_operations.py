"""What operators look at: liveness, readiness, metrics and logs, which never hold what people wrote."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.talking import chat, wait_until
from tests.processes import LOOKALIKE_PROJECT, TRIAL_PROJECT, ServerProcess, running_server

SECRET = "My password is xyzzy-plugh."


def samples(client: httpx.Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def log_lines(server: ServerProcess) -> list[dict[str, Any]]:
    """The whole lines; a last one may still be being written."""
    return [json.loads(line) for line in server.log.splitlines(keepends=True) if line.endswith("\n")]


def test_a_server_that_runs_is_alive_and_ready(http: httpx.Client) -> None:
    assert http.get("/health").json() == {"status": "alive"}
    assert http.get("/ready").json() == {"ready": True, "reasons": []}
    assert http.get("/ok").json()["ok"] is True


def test_metrics_count_runs_and_requests_by_their_kind(lookalike_http: httpx.Client) -> None:
    client = lookalike_http
    before = samples(client)
    chat(client, "hello")
    chat(client, "hello again")
    assert client.post("/chat", json={"message": "raise"}).status_code == 502
    ended = ("threadkeep_run_duration_seconds_count", (("graph_id", "moody"),))
    wait_until(lambda: samples(client).get(ended, 0.0) >= before.get(ended, 0.0) + 3, what="three counted runs")
    after = samples(client)

    def grown(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0.0)

    assert grown("threadkeep_runs_total", graph_id="moody", status="success") == 2
    assert grown("threadkeep_runs_total", graph_id="moody", status="error") == 1
    assert grown("threadkeep_run_duration_seconds_count", graph_id="moody") == 3
    assert grown("threadkeep_http_requests_total", method="POST", route="/chat", status="200") == 2
    assert grown("threadkeep_http_requests_total", method="POST", route="/chat", status="502") == 1
    assert after[("threadkeep_queue_runs", (("status", "running"),))] == 0
    assert after[("threadkeep_database_bytes", (("file", "server.db"),))] > 0


def test_no_id_is_ever_a_label(lookalike_http: httpx.Client) -> None:
    client = lookalike_http
    user, answer = f"user-{uuid4().hex}", chat(client, "hello")
    chat(client, "hello", user_id=user)
    client.get(f"/threads/{answer['thread_id']}/runs/{answer['run_id']}")
    client.get(f"/threads/{uuid4()}")
    client.get(f"/nowhere/{uuid4()}")
    text = client.get("/metrics").text
    assert user not in text
    assert answer["thread_id"] not in text
    assert "nowhere" not in text
    assert "/threads/{thread_id}/runs/{run_id}" in text


def test_metrics_as_json_give_totals_in_all_and_by_graph_and_user(data_dir: Path) -> None:
    with running_server(data_dir, config=LOOKALIKE_PROJECT) as server:
        with server.client() as client:
            empty = client.get("/metrics?format=json").json()
            assert empty["total_interactions"] == 0
            assert empty["success_rate"] is None
            chat(client, "hello", user_id="ada")
            chat(client, "hello", user_id="bob")
            chat(client, "hello", user_id="bob")
            client.post("/chat", json={"message": "raise", "user_id": "bob"})
        server.kill()
        server.restart()
        with server.client() as client:
            totals = client.get("/metrics?format=json").json()
    assert totals["total_interactions"] == 4
    assert totals["success_rate"] == 0.75
    assert totals["avg_duration_seconds"] > 0
    assert totals["graphs"]["moody"]["total_interactions"] == 4
    assert totals["users"]["ada"] == {
        "total_interactions": 1,
        "success_rate": 1.0,
        "avg_duration_seconds": totals["users"]["ada"]["avg_duration_seconds"],
        "total_tokens": 0,
        "total_cost_usd": 0,
    }
    assert totals["users"]["bob"]["success_rate"] == pytest.approx(2 / 3, abs=1e-6)


def test_logs_are_one_json_object_a_line_that_ties_request_run_thread_graph_and_user(lookalike: ServerProcess) -> None:
    request_id, user = f"req-{uuid4().hex}", f"user-{uuid4().hex[:6]}"
    with lookalike.client() as client:
        reply = client.post("/chat", json={"message": "hi", "user_id": user}, headers={"x-request-id": request_id})
    assert reply.headers["x-request-id"] == request_id
    answer = reply.json()
    ids = {
        "run_id": answer["run_id"],
        "thread_id": answer["thread_id"],
        "graph_id": "moody",
        "user_id": user,
    }
    mine: dict[str, dict[str, Any]] = {}

    def all_there() -> bool:  # the answer may be out before the run's last line is
        mine.update({line["event"]: line for line in log_lines(lookalike) if line.get("run_id") == answer["run_id"]})
        return len(mine) >= 4

    wait_until(all_there, what="four log lines")
    assert set(mine) == {"run_accepted", "run_started", "run_ended", "request"}
    for line in mine.values():
        assert line | ids == line
        assert line["request_id"] == request_id
        assert line["level"] == "info"
        assert line["timestamp"].endswith("Z")
    ended, request = mine["run_ended"], mine["request"]
    assert ended["status"] == "success"
    assert ended["duration"] > 0
    assert ended["exec_ms"] == round(ended["duration"] * 1000)
    assert (ended["attempt"], ended["total_tokens"]) == (1, 0)
    assert mine["run_started"]["queued_ms"] >= 0
    assert (request["method"], request["path"], request["status"]) == ("POST", "/chat", 200)
    assert request["duration"] > 0


def test_a_failed_run_is_logged_once_with_its_traceback(lookalike: ServerProcess) -> None:
    with lookalike.client() as client:
        run_id = client.post("/chat", json={"message": "raise"}).json()["run_id"]
    failures = [line for line in log_lines(lookalike) if line["event"] == "run_failed" and line["run_id"] == run_id]
    assert len(failures) == 1
    (trace,) = failures[0]["exception"]
    assert trace["exc_type"] == "OnPurposeError"
    assert trace["frames"]
    assert not any("locals" in frame for frame in trace["frames"])


@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_message_text_is_logged_at_info(data_dir: Path, level: str) -> None:
    with running_server(data_dir, environment={"LOG_LEVEL": level}) as server:
        with server.client() as client:
            for graph in ("react", "plan_execute", "tree_of_thought"):
                answer = chat(client, SECRET, graph=graph)
                assert client.post("/chat", json={"message": SECRET, "stream": True}).status_code == 200
                chat(client, "What is my password?", thread_id=answer["thread_id"])
            client.get("/users/ada/threads")
        assert server.stop() == 0
        lines = log_lines(server)
    assert len(lines) > 10
    shown = [line for line in lines if line["level"] != "debug"]
    assert shown
    assert "xyzzy" not in json.dumps(shown)


def test_on_a_terminal_logs_are_for_people(data_dir: Path) -> None:
    with running_server(data_dir, environment={"LOG_FORMAT": "console"}) as server, server.client() as client:
        chat(client, "hello")
        wait_until(lambda: "run_ended" in server.log, what="the run's last log line")
        run_line = next(line for line in server.log.splitlines() if "run_ended" in line)
    assert not run_line.startswith("{")
    assert "status" in run_line


def test_a_server_that_is_stopping_is_not_ready_and_takes_no_runs(data_dir: Path) -> None:
    with running_server(data_dir, config=TRIAL_PROJECT) as server, server.client() as client:
        thread = client.post("/threads", json={}).json()["thread_id"]
        given = {"assistant_id": "slow", "input": {"steps": 1, "seconds": 3}, "stream_mode": ["values"]}
        with client.stream("POST", f"/threads/{thread}/runs/stream", json=given) as response:
            lines = response.iter_lines()
            assert any(line == "event: values" for line in lines)
            server.send(signal.SIGTERM)
            with server.client() as another:
                while (ready := another.get("/ready")).status_code == 200:
                    pass
                assert ready.status_code == 503
                assert ready.json()["reasons"] == ["The server is stopping."]
                refused = another.post("/runs/wait", json={"assistant_id": "slow", "input": {}})
                assert refused.status_code == 503
                assert int(refused.headers["retry-after"]) > 0
        assert server.ended(seconds=20) == 0


@pytest.mark.parametrize(
    ("headers", "reason"), [({"host": "evil.example"}, "host"), ({"origin": "https://evil.example"}, "origin")]
)
def test_who_is_turned_away_at_the_door_is_logged_and_counted(
    lookalike: ServerProcess, headers: dict[str, str], reason: str
) -> None:
    request_id = f"req-{uuid4().hex}"
    with lookalike.client() as client:
        before = samples(client).get(("threadkeep_http_refused_total", (("reason", reason),)), 0.0)
        refused = client.get("/threads/search", headers={**headers, "x-request-id": request_id})
        after = samples(client)[("threadkeep_http_refused_total", (("reason", reason),))]
    assert (refused.status_code, refused.headers["x-request-id"]) == (403, request_id)
    assert after == before + 1
    [line] = [
        line for line in log_lines(lookalike) if line["event"] == "request_refused" and line["request_id"] == request_id
    ]
    assert (line["level"], line["reason"], line["client"]) == ("warning", reason, "127.0.0.1")
    assert "evil.example" in line["detail"]


def test_a_request_without_a_key_is_logged_and_counted(data_dir: Path) -> None:
    with running_server(data_dir, environment={"API_KEYS": "1"}) as server, server.client() as client:
        wrong = client.post("/threads", json={}, headers={"x-api-key": "tk.nobody.xyzzy-plugh"})
        assert wrong.status_code == 401
        [line] = [line for line in log_lines(server) if line["event"] == "request_refused"]
    assert (line["reason"], line["path"]) == ("401", "/threads")
    assert line["request_id"] == wrong.headers["x-request-id"]
    assert "xyzzy" not in server.log


@pytest.mark.parametrize(("trusted", "told"), [("127.0.0.1", "203.0.113.9"), ("198.51.100.1", "127.0.0.1")])
def test_only_a_trusted_proxy_says_for_whom_it_asks(data_dir: Path, trusted: str, told: str) -> None:
    with running_server(data_dir, environment={"TRUSTED_PROXIES": trusted}) as server, server.client() as client:
        sent = {"host": "evil.example", "x-forwarded-for": "203.0.113.9"}
        assert client.get("/info", headers=sent).status_code == 403
        [line] = [line for line in log_lines(server) if line["event"] == "request_refused"]
    assert line["client"] == told
