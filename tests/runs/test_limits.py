"""Limits and keys over HTTP: one graph's limit holds up no other, one key makes one run."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.processes import TRIAL_PROJECT, running_server


def test_a_graph_at_its_limit_holds_up_its_own_runs_and_no_others(tmp_path: Path) -> None:
    with (
        running_server(tmp_path / "data", config=TRIAL_PROJECT, environment={"MAX_RUNS_PER_GRAPH": "1"}) as server,
        server.client() as http,
    ):
        journal = tmp_path / "journal"
        runs = []
        for _ in range(2):
            thread_id = http.post("/threads", json={}).json()["thread_id"]
            given = {"steps": 1, "seconds": 1.0, "journal": str(journal)}
            run = http.post(f"/threads/{thread_id}/runs", json={"assistant_id": "slow", "input": given}).json()
            runs.append(f"/threads/{thread_id}/runs/{run['run_id']}")
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        given = {"messages": [{"role": "user", "content": "hello"}]}
        http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": given}).raise_for_status()
        assert http.get(runs[1]).json()["status"] == "pending"
        for path in runs:
            http.get(f"{path}/join").raise_for_status()
        assert [http.get(path).json()["status"] for path in runs] == ["success", "success"]


def test_a_message_sent_again_with_its_key_is_answered_once(http: httpx.Client) -> None:
    def say(user_id: str | None) -> dict[str, str]:
        body = {"message": "what is 2+2?"} | ({} if user_id is None else {"user_id": user_id})
        reply = http.post("/chat", json=body, headers={"idempotency-key": "the same"})
        assert reply.status_code == 200
        answer: dict[str, str] = reply.json()
        return answer

    before = http.post("/threads/count", json={}).json()
    answers = [say("key-user"), say("key-user"), say(None), say(None), say("another-user")]
    assert len({answer["run_id"] for answer in answers}) == 3
    assert answers[0]["run_id"] == answers[1]["run_id"]
    assert answers[0]["response"] == answers[1]["response"]
    assert answers[2]["run_id"] == answers[3]["run_id"]
    assert http.post("/threads/count", json={}).json() == before + 3
