"""Random `kill -9` under concurrent work, and a check of the whole history afterwards.

`SOAK=1` (make soak) kills more often and with more clients; `SOAK_SEED` chooses another history.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.postgres import database_for
from tests.processes import TRIAL_PROJECT, ServerProcess
from tests.runs.scenarios import AnswersTwoQuestions, Client, CountsToThree

SOAK = os.environ.get("SOAK") == "1"
SEED = int(os.environ.get("SOAK_SEED", "2026"))
KILLS = 40 if SOAK else 3
CLIENTS = 8 if SOAK else 4


class Worker(threading.Thread):
    """Works through scenarios one after the other, each try at what `address` gives; what was cut off is repeated."""

    def __init__(self, number: int, folder: Path, address: Callable[[], str], over: threading.Event) -> None:
        super().__init__(name=f"client {number}")
        self.number = number
        self.folder = folder
        self.address = address
        self.over = over
        self.done: list[Client] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.over.is_set():
                kind = (CountsToThree, AnswersTwoQuestions)[len(self.done) % 2]
                client = kind(self.folder / f"journal-{self.number}-{len(self.done)}")
                self.insist(client)
                self.done.append(client)
        except AssertionError as error:
            self.failure = error

    def insist(self, client: CountsToThree | AnswersTwoQuestions) -> None:
        """Until it is done. How long that may take is asked only once nobody kills any more."""
        deadline: float | None = None
        while True:
            try:
                client.work(self.address())
                return
            except httpx.HTTPError:
                if self.over.is_set():
                    deadline = deadline or time.monotonic() + 120
                    assert time.monotonic() < deadline, "the work could not be finished"
                time.sleep(0.05)  # the server is away; it comes back at another address


@pytest.fixture(params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    # What a dead server ran in a data folder is nobody else's; in a database, once its lease is over.
    with database_for(request.param) as environment:
        process = ServerProcess(tmp_path / "data", TRIAL_PROJECT, {**environment, "LEASE_SECONDS": "1"})
        try:
            yield process.start()
        finally:
            if process.process is not None:
                process.kill()


@pytest.mark.fault(3)
@pytest.mark.timeout(3600)
def test_nothing_accepted_is_lost_or_done_twice_however_often_the_server_is_killed(
    server: ServerProcess, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    over = threading.Event()
    workers = [Worker(number, tmp_path, lambda: server.url, over) for number in range(CLIENTS)]
    started = time.monotonic()
    for worker in workers:
        worker.start()
    try:
        for _ in range(KILLS):
            over.wait(chance.uniform(0.2, 1.5))
            server.kill()
            server.restart()
        over.set()
        for worker in workers:
            worker.join(timeout=180)
        seconds = time.monotonic() - started
        assert [worker.failure for worker in workers] == [None] * CLIENTS
        finished = [client for worker in workers for client in worker.done]
        assert len(finished) >= CLIENTS
        for client in finished:
            client.check(server, KILLS)  # type: ignore[attr-defined]
        with server.client() as http:
            assert http.post("/threads/count", json={"status": "busy"}).json() == 0
        print(f"{KILLS} kills, {len(finished)} scenarios checked in {seconds:.0f} s, seed {SEED}")  # noqa: T201
    finally:
        over.set()
