"""What careful clients do while the server dies under them, and what must be true afterwards.

A careful client repeats what was not answered, with the same idempotency key; so `work` may be called again after a
restart and takes up where it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import httpx

from tests.processes import ServerProcess

STEPS = 3


class Scenario(Protocol):
    def __init__(self, journal: Path) -> None: ...

    def work(self, url: str) -> None: ...

    def check(self, server: ServerProcess, deaths: int) -> None: ...


class Client:
    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.thread_id = str(uuid4())
        self.accepted: dict[str, str] = {}

    def run(self, http: httpx.Client, key: str, **body: Any) -> Any:
        """Have a run accepted once and wait for its final values."""
        made = http.post("/threads", json={"thread_id": self.thread_id, "if_exists": "do_nothing"})
        assert made.status_code == 200, made.text
        headers = {"idempotency-key": f"{key} of {self.thread_id}"}
        run = http.post(f"/threads/{self.thread_id}/runs", headers=headers, json={"stream_resumable": True, **body})
        assert run.status_code == 200, run.text
        run_id = run.json()["run_id"]
        assert self.accepted.setdefault(key, run_id) == run_id, "the same key gave another run"
        return http.get(f"/threads/{self.thread_id}/runs/{run_id}/join").json()


class CountsToThree(Client):
    """One run of three super-steps, each of which leaves a line in a journal."""

    def work(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as http:
            given = {"steps": STEPS, "seconds": 0.001, "journal": str(self.journal)}
            self.run(http, "count", assistant_id="slow", input=given, stream_mode=["updates", "values"])

    def check(self, server: ServerProcess, deaths: int) -> None:
        with server.client() as http:
            settled(http, self.thread_id, ["success"])
            assert http.get(f"/threads/{self.thread_id}").json()["values"]["done"] == list(range(STEPS))
            whole_stream(http, f"/threads/{self.thread_id}/runs/{self.accepted['count']}/stream")
        visits = self.journal.read_text().split()
        assert sorted(set(visits)) == [str(number) for number in range(STEPS)]
        assert len(visits) - STEPS <= deaths, f"a step ran more often than the process died: {visits}"


class AnswersTwoQuestions(Client):
    """A run that asks, an answer that leads to the next question, and the answer to that one."""

    def work(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as http:
            asked = self.run(http, "ask", assistant_id="asking", input={"topic": "tea"})
            assert asked["__interrupt__"][0]["value"] == {"question": "first about tea?"}
            again = self.run(http, "first", assistant_id="asking", command={"resume": "green"})
            assert again["__interrupt__"][0]["value"] == {"question": "second?"}, (
                "one answer was given to two questions"
            )
            self.run(http, "second", assistant_id="asking", command={"resume": "hot"})

    def check(self, server: ServerProcess, deaths: int) -> None:
        with server.client() as http:
            settled(http, self.thread_id, ["success"] * 3)
            thread = http.get(f"/threads/{self.thread_id}").json()
            assert thread["values"] == {"topic": "tea", "first": "green", "second": "hot"}, thread


class ReplacesARun(Client):
    """A second run takes the place of one that is under way."""

    def work(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as http:
            made = http.post("/threads", json={"thread_id": self.thread_id, "if_exists": "do_nothing"})
            assert made.status_code == 200
            for key, strategy in (("old", "enqueue"), ("new", "interrupt")):
                headers = {"idempotency-key": f"{key} of {self.thread_id}"}
                given = {"steps": 2 if key == "new" else 200, "seconds": 0.005}
                body = {"assistant_id": "slow", "input": given, "multitask_strategy": strategy}
                run = http.post(f"/threads/{self.thread_id}/runs", headers=headers, json=body)
                assert run.status_code == 200, run.text
                self.accepted.setdefault(key, run.json()["run_id"])
            http.get(f"/threads/{self.thread_id}/runs/{self.accepted['new']}/join").raise_for_status()

    def check(self, server: ServerProcess, deaths: int) -> None:
        with server.client() as http:
            settled(http, self.thread_id, ["success", "interrupted"])


def settled(http: httpx.Client, thread_id: str, statuses: list[str]) -> None:
    """Every accepted run has ended, once; the thread is free."""
    runs = http.get(f"/threads/{thread_id}/runs").json()
    assert [run["status"] for run in runs] == statuses
    assert http.get(f"/threads/{thread_id}").json()["status"] == "idle"


def whole_stream(http: httpx.Client, path: str) -> list[tuple[int, str, Any]]:
    """Every frame of a run's stream: (id, event, data), checked to be dense, and ended once."""
    frames = frames_in(http.get(path, headers={"last-event-id": "-1"}).text)
    assert [number for number, _, _ in frames] == list(range(1, len(frames) + 1)), frames
    assert [name for _, name, _ in frames].count("end") == 1
    assert frames[-1][1] == "end"
    return frames


def frames_in(text: str) -> list[tuple[int, str, Any]]:
    frames = []
    for block in text.split("\r\n\r\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\r\n") if not line.startswith(":") and ": " in line)
        if "event" in lines:
            frames.append((int(lines.get("id", 0)), lines["event"], json.loads(lines["data"])))
    return frames
