"""`kill -9`, at the worst moments, on a real process: what was accepted is finished, once, and nothing is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.talking import chat, frames, new_thread, run_of, said, wait_until
from tests.processes import TRIAL_PROJECT, ServerProcess, running_server

MESSAGES = ["My pet is Rex.", "My pet is Tom.", "My car is red."]


@pytest.fixture
def server(data_dir: Path) -> Iterator[ServerProcess]:
    with running_server(data_dir) as server:
        yield server


@pytest.mark.parametrize("graph", ["react", "plan_execute"])
def test_a_thread_goes_on_after_the_server_was_killed(server: ServerProcess, graph: str) -> None:
    with server.client() as client:
        first = chat(client, "My name is Ada.", user_id="ada", graph=graph)
    server.kill()
    server.restart()
    with server.client() as client:
        second = chat(client, "What is my name?", user_id="ada", graph=graph)
        assert second["thread_id"] == first["thread_id"]
        assert second["response"] == "Your name is Ada."
        talk = said(client, first["thread_id"])
        assert [kind for kind, _ in talk] == ["human", "ai", "human", "ai"]
        assert talk[1] == ("ai", first["response"])


def test_a_search_is_kept_with_its_thread_when_the_server_was_killed(server: ServerProcess) -> None:
    with server.client() as client:
        first = chat(client, "4 9 10 13", graph="tree_of_thought")
    server.kill()
    server.restart()
    with server.client() as client:
        again = chat(client, "2 3 4 6", thread_id=first["thread_id"])
        assert again["graph"] == "tree_of_thought"
        talk = said(client, first["thread_id"])
        assert talk[1] == ("ai", first["response"])
        assert talk[3] == ("ai", again["response"])
        assert again["response"].endswith("= 24")


def test_a_run_killed_between_super_steps_is_finished_exactly_once(data_dir: Path, tmp_path: Path) -> None:
    journal, steps = tmp_path / "journal", 8
    given = {"steps": steps, "seconds": 0.2, "journal": str(journal)}
    with running_server(data_dir, config=TRIAL_PROJECT) as server:
        with server.client() as client:
            thread_id = new_thread(client)
            run = client.post(f"/threads/{thread_id}/runs", json={"assistant_id": "slow", "input": given}).json()
            wait_until(lambda: len(_lines(journal)) >= 3, what="the third step")
            server.kill()
        before = _lines(journal)
        server.restart()
        with server.client() as client:
            values = client.get(f"/threads/{thread_id}/runs/{run['run_id']}/join").json()
            assert values["done"] == list(range(steps))
            assert run_of(client, thread_id, run["run_id"])["status"] == "success"
            assert len(client.get(f"/threads/{thread_id}/runs").json()) == 1
            assert client.get(f"/threads/{thread_id}").json()["status"] == "idle"
    # Only the step that was under way may have been visited twice; those that were stored were not done again.
    after = _lines(journal)
    assert 3 <= len(before) < steps
    assert after[: len(before)] == before
    assert sorted(set(after)) == list(range(steps))
    assert len(after) <= steps + 1


def test_a_chat_killed_while_the_model_talks_is_answered_once(data_dir: Path) -> None:
    with running_server(data_dir, environment={"OFFLINE_TOKEN_DELAY": "0.4"}) as server:
        with server.client() as client:
            thread_id = new_thread(client, metadata={"graph_id": "react"})
            run_id = _kill_at_the_first_token(server, client, thread_id)
        server.restart()
        with server.client() as client:
            client.get(f"/threads/{thread_id}/runs/{run_id}/join")
            assert run_of(client, thread_id, run_id)["status"] == "success"
            assert said(client, thread_id) == [
                ("human", "My name is Ada."),
                ("ai", "Noted: your name is Ada."),
            ]
            assert chat(client, "What is my name?", thread_id=thread_id)["response"] == "Your name is Ada."


def _kill_at_the_first_token(server: ServerProcess, client: httpx.Client, thread_id: str) -> str:
    given = {"message": "My name is Ada.", "thread_id": thread_id, "stream": True}
    with client.stream("POST", "/chat", json=given) as response:
        arriving = frames(response)
        run_id = next(frame for frame in arriving if frame.event == "metadata").data["run_id"]
        assert any(frame.event == "token" for frame in arriving)
        server.kill()
        with pytest.raises(httpx.TransportError):
            list(arriving)
    return str(run_id)


def test_runs_waiting_in_the_queue_survive_and_keep_their_order(data_dir: Path) -> None:
    with running_server(data_dir, environment={"OFFLINE_TOKEN_DELAY": "0.2"}) as server:
        with server.client() as client:
            thread_id = new_thread(client)
            runs = [_accepted(client, thread_id, message) for message in MESSAGES]
            wait_until(
                lambda: run_of(client, thread_id, runs[0]["run_id"])["status"] == "running", what="the first run"
            )
            server.kill()
        server.restart()
        with server.client() as client:
            for run in runs:
                client.get(f"/threads/{thread_id}/runs/{run['run_id']}/join")
            human = [text for kind, text in said(client, thread_id) if kind == "human"]
            assert human == MESSAGES
            assert chat(client, "What is my pet?", thread_id=thread_id)["response"] == "Your pet is Tom."


def test_every_answered_run_is_there_after_a_kill_under_load(data_dir: Path) -> None:
    accepted: list[dict[str, Any]] = []
    with running_server(data_dir, config=TRIAL_PROJECT) as server:
        with server.client() as client:
            threads = [new_thread(client) for _ in range(4)]
        workers = [threading.Thread(target=_send_until_gone, args=(server.url, t, accepted)) for t in threads]
        for worker in workers:
            worker.start()
        wait_until(lambda: len(accepted) >= 60, what="sixty accepted runs")
        server.kill()
        for worker in workers:
            worker.join(30)
        server.restart()
        with server.client() as client:
            for run in accepted:
                client.get(f"/threads/{run['thread_id']}/runs/{run['run_id']}/join")
                assert run_of(client, run["thread_id"], run["run_id"])["status"] == "success"
            for thread_id in threads:
                texts = [text for kind, text in said(client, thread_id) if kind == "human"]
                sent = [run["sent"] for run in accepted if run["thread_id"] == thread_id]
                # One more may stand there: accepted, and killed before the answer to its request was out.
                assert texts[: len(sent)] == sent
                assert len(texts) <= len(sent) + 1


def _send_until_gone(url: str, thread_id: str, accepted: list[dict[str, Any]]) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        try:
            for number in range(2000):
                run = _accepted(client, thread_id, f"{number}", graph="echo")
                accepted.append({**run, "sent": f"{number}"})
        except httpx.TransportError:
            return


def _accepted(client: httpx.Client, thread_id: str, message: str, *, graph: str = "react") -> dict[str, Any]:
    given = {"messages": [{"role": "user", "content": message}]}
    reply = client.post(f"/threads/{thread_id}/runs", json={"assistant_id": graph, "input": given})
    assert reply.status_code == 200, reply.text
    run: dict[str, Any] = reply.json()
    return run


def _lines(journal: Path) -> list[int]:
    return [int(line) for line in journal.read_text().split()] if journal.exists() else []
