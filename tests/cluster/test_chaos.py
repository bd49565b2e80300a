"""Three servers on one database, killed and paused at random under concurrent work; then the whole history is checked.

`SOAK=1` goes on for longer and with more clients; `SOAK_SEED` chooses another history.
"""

from __future__ import annotations

import random
import signal
import threading
from pathlib import Path

import pytest

from tests.cluster.conftest import LEASE_SECONDS
from tests.processes import ServerProcess
from tests.runs.test_kill_soak import SEED, SOAK, Worker

BLOWS = 40 if SOAK else 5
CLIENTS = 9 if SOAK else 4


@pytest.mark.timeout(3600)
def test_nothing_accepted_is_lost_or_done_twice_however_often_a_server_is_killed_or_paused(
    servers: list[ServerProcess], tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    over = threading.Event()
    anywhere = [random.Random(SEED + number) for number in range(CLIENTS)]
    workers = [
        Worker(number, tmp_path, lambda chance=chance: chance.choice(servers).url, over)  # type: ignore[misc]
        for number, chance in enumerate(anywhere)
    ]
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
