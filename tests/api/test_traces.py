"""The trace of a run: what its models and tools were sent and gave, and what people thought of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from tests.acceptance.talking import wait_until
from tests.api_requirements import requirement
from tests.processes import TRIAL_PROJECT, ServerProcess, running_server

KEY = "sk-abcdefgh12345678"


def ask(client: httpx.Client, message: str, *, thread: str | None = None, **more: Any) -> tuple[str, str]:
    """A thread and an ended run on it."""
    thread = thread or client.post("/threads", json={}).json()["thread_id"]
    body = {"assistant_id": "react", "input": {"messages": [{"role": "user", "content": message}]}, **more}
    run = client.post(f"/threads/{thread}/runs", json=body).json()["run_id"]
    client.get(f"/threads/{thread}/runs/{run}/join").raise_for_status()
    return thread, run


def trace_of(client: httpx.Client, thread: str, run: str) -> dict[str, Any]:
    answer = client.get(f"/threads/{thread}/runs/{run}/trace")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def calls(trace: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [span for span in trace["spans"] if span["kind"] == kind]


def texts(trace: dict[str, Any], span: dict[str, Any]) -> list[str]:
    return [trace["contents"][name]["content"] for name in span["sent"]]


def kept_in(folder: Path) -> str:
    """All of the tables of traces, of a server that has stopped."""
    connection = apsw.Connection(str(folder / "server.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        tables = ("trace_spans", "trace_contents")
        return str([connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables])
    finally:
        connection.close()


@requirement("runs.trace")
def test_a_trace_holds_every_call_with_the_exact_messages_and_the_raw_answer(http: httpx.Client) -> None:
    thread, run = ask(http, "what is 17 * 3?")
    trace = trace_of(http, thread, run)
    first, second = calls(trace, "model")
    assert texts(trace, first)[-1] == "what is 17 * 3?"
    assert trace["contents"][first["sent"][0]]["type"] == "system"
    [asked] = trace["contents"][first["answer"]]["tool_calls"]
    assert (asked["name"], asked["args"]) == ("calculator", {"expression": "17 * 3"})
    assert "calculator" in str(trace["contents"][first["parameters"]]["tools"])
    [tool] = calls(trace, "tool")
    assert (tool["name"], trace["contents"][tool["sent"][0]]) == ("calculator", {"expression": "17 * 3"})
    assert trace["contents"][tool["answer"]]["content"] == "51"
    assert texts(trace, second)[-1] == "51"
    assert trace["contents"][second["answer"]]["content"] == "17 * 3 = 51"
    assert sum(one["usage"]["total_tokens"] for one in (first, second)) == trace["run"]["usage"]["total_tokens"]
    nodes = {span["span_id"]: span for span in calls(trace, "node")}
    within = [nodes[one["parent_id"]]["name"] for one in (first, tool, second)]
    assert within == ["call_model", "run_tool", "call_model"]
    assert {span["outcome"] for span in trace["spans"]} == {"ok"}
    assert all(span["seconds"] >= 0 for span in trace["spans"])
    assert trace["run"]["status"] == "success"


@requirement("runs.trace")
def test_it_is_a_file_to_download_in_which_no_message_stands_twice(http: httpx.Client) -> None:
    thread, _ = ask(http, "My dog is called Rex.")
    _, run = ask(http, "what is 2 + 2?", thread=thread)
    answer = http.get(f"/threads/{thread}/runs/{run}/trace")
    assert answer.headers["content-disposition"] == f'attachment; filename="trace-{run}.json"'
    trace = answer.json()
    first, second = calls(trace, "model")
    assert set(first["sent"]) < set(second["sent"])
    assert answer.text.count("My dog is called Rex.") == 1


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[httpx.Client]:
    with running_server(tmp_path / "data", environment={"OFFLINE_TOKEN_DELAY": "0.3"}) as server:
        yield server.client()


@requirement("runs.trace")
def test_a_run_under_way_shows_what_it_does_and_a_cancelled_one_what_it_did(slow: httpx.Client) -> None:
    thread = slow.post("/threads", json={}).json()["thread_id"]
    body = {"assistant_id": "react", "input": {"messages": [{"role": "user", "content": "tell me a story"}]}}
    run = slow.post(f"/threads/{thread}/runs", json={**body, "stream_mode": "messages-tuple"}).json()["run_id"]
    with slow.stream("GET", f"/threads/{thread}/runs/{run}/stream") as stream:
        next(line for line in stream.iter_lines() if line.startswith("event: messages"))
        [call] = calls(trace_of(slow, thread, run), "model")
    assert (call["outcome"], call["seconds"], call["answer"]) == ("running", None, None)
    slow.post(f"/threads/{thread}/runs/{run}/cancel?wait=true").raise_for_status()
    [call] = calls(trace_of(slow, thread, run), "model")
    assert call["outcome"] == "cancelled"
    assert call["seconds"] > 0
    assert call["first_after_seconds"] > 0


@requirement("runs.trace.gone")
def test_what_a_deleted_run_thread_or_user_was_told_is_gone_from_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running_server(folder) as server, server.client() as client:
        shared, kept = ask(client, "My word is apple.")
        _, gone = ask(client, "My word is banana.", thread=shared)
        deleted, _ = ask(client, "My word is cherry.")
        named = {"message": "My word is damson.", "user_id": "dora"}
        client.post("/chat", json=named).raise_for_status()
        assert client.delete(f"/threads/{shared}/runs/{gone}").status_code == 204
        assert client.delete(f"/threads/{deleted}").status_code == 204
        assert client.delete("/users/dora").is_success
        assert texts(trace := trace_of(client, shared, kept), calls(trace, "model")[0])[-1] == "My word is apple."
        server.stop()
    found = kept_in(folder)
    assert "apple" in found
    assert [word for word in ("banana", "cherry", "damson") if word in found] == []


@requirement("runs.trace.setting")
def test_keys_are_masked_and_traces_can_be_had_without_messages_or_not_at_all(tmp_path: Path) -> None:
    found: dict[str, str] = {}
    for mode in ("full", "metadata", "off"):
        folder = tmp_path / mode
        with running_server(folder, environment={"TRACES": mode}) as server, server.client() as client:
            thread, run = ask(client, f"my plums cost 3, my key is {KEY}")
            trace = trace_of(client, thread, run)
            assert trace["recorded"] == mode
            assert KEY not in str(trace)
            assert len(calls(trace, "model")) == (0 if mode == "off" else 1)
            server.stop()
        found[mode] = kept_in(folder)
    assert "my plums cost 3, my key is ***" in found["full"]
    assert KEY not in found["full"]
    assert "plums" not in found["metadata"]
    assert '"input_tokens"' in found["metadata"]
    assert found["off"] == "[[], []]"


@requirement("runs.trace")
def test_a_trace_outlives_the_process_that_made_it(tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        thread, run = ask(server.client(), "what is 2 + 2?")
        before = trace_of(server.client(), thread, run)
        server.kill()
        server.restart()
        assert trace_of(server.client(), thread, run) == before


@requirement("runs.trace")
def test_a_run_that_was_taken_up_after_a_crash_shows_both_attempts(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", config=TRIAL_PROJECT) as server:
        with server.client() as client:
            thread = client.post("/threads", json={}).json()["thread_id"]
            body = {"assistant_id": "slow", "input": {"steps": 6, "seconds": 0.2}}
            run = client.post(f"/threads/{thread}/runs", json=body).json()["run_id"]

            def has_ended_a_node() -> bool:
                return any(one["outcome"] == "ok" for one in calls(trace_of(client, thread, run), "node"))

            wait_until(has_ended_a_node, what="a first node of the run")
        server.kill()
        server.restart()
        with server.client() as client:
            client.get(f"/threads/{thread}/runs/{run}/join").raise_for_status()
            trace = trace_of(client, thread, run)
    assert {span["attempt"] for span in trace["spans"]} == {1, 2}
    assert trace["run"]["status"] == "success"
    assert "running" not in {span["outcome"] for span in trace["spans"]}


@requirement("runs.trace")
def test_an_error_in_a_model_or_tool_is_told_where_it_happened(trial: ServerProcess) -> None:
    with trial.client() as client:
        thread = client.post("/threads", json={}).json()["thread_id"]
        body = {"assistant_id": "failing", "input": {"how": "raise"}}
        run = client.post(f"/threads/{thread}/runs", json=body).json()["run_id"]
        client.get(f"/threads/{thread}/runs/{run}/join")
        trace = trace_of(client, thread, run)
    failed = [span for span in trace["spans"] if span["outcome"] == "error"]
    assert failed
    assert failed[-1]["error"]["error"] == trace["run"]["error"]["error"]


@requirement("runs.feedback")
def test_a_thumb_and_a_note_are_kept_with_the_run_and_can_be_taken_back(http: httpx.Client) -> None:
    thread, run = ask(http, "what is 2 + 2?")
    path = f"/threads/{thread}/runs/{run}/feedback"
    nothing = {"thumb": None, "note": None, "updated_at": None}
    assert http.get(path).json() == nothing
    said = http.put(path, json={"thumb": "down", "note": "too short"}).json()
    assert (said["thumb"], said["note"]) == ("down", "too short")
    assert http.get(path).json() == said
    assert trace_of(http, thread, run)["feedback"] == said
    assert http.put(path, json={"thumb": "up"}).json()["note"] is None
    assert http.put(path, json={"thumb": "sideways"}).status_code == 422
    assert http.put(path, json={}).json() == nothing
    assert http.get(path).json() == nothing
