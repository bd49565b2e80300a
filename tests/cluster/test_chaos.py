"""Three servers on one database, killed and paused at random under concurrent work; then the whole history is checked.

`SOAK=1` goes on for longer and with more clients; `SOAK_SEED` chooses another history.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.cluster.conftest import LEASE_SECONDS
from tests.processes import ServerProcess
from tests.runs.scenarios import AnswersTwoQuestions, Client, CountsToThree
from tests.runs.test_kill_soak import SEED, SOAK

BLOWS = 40 if SOAK else 5
CLIENTS = 9 if SOAK else 4


class Worker(threading.Thread):
    """Works through scenarios one after the other, each request at any of the servers; repeats what was cut off."""

    def __init__(self, number: int, folder: Path, servers: list[ServerProcess], over: threading.Event) -> None:
        super().__init__(name=f"client {number}")
        self.number = number
        self.folder = folder
        self.servers = servers
        self.over = over
        self.chance = random.Random(SEED + number)
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
        deadline = time.monotonic() + 180
        while True:
            try:
                client.work(self.chance.choice(self.servers).url)
                return
            except httpx.HTTPError:
                assert time.monotonic() < deadline, "the work could not be finished"
                self.over.wait(0.05)


@pytest.mark.timeout(3600)
def test_nothing_accepted_is_lost_or_done_twice_however_often_a_server_is_killed_or_paused(
    servers: list[ServerProcess], tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    over = threading.Event()
    workers = [Worker(number, tmp_path, servers, over) for number in range(CLIENTS)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(BLOWS):
            over.wait(chance.uniform(0.2, 1.0))
            victim = chance.choice(servers)
            if chance.random() < 0.5:
                victim.kill()
                victim.restart()
            else:
                victim.send(signal.SIGSTOP)
                over.wait(chance.uniform(0.5, 2.0) * LEASE_SECONDS)
                victim.send(signal.SIGCONT)
        over.set()
        for worker in workers:
            worker.join(timeout=240)
        assert [worker.failure for worker in workers] == [None] * CLIENTS
        finished = [client for worker in workers for client in worker.done]
        assert len(finished) >= CLIENTS
        for client in finished:
            client.check(chance.choice(servers), deaths=BLOWS)
    finally:
        over.set()
