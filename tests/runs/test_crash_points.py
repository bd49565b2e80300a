"""The process dies at every durable transition, one after the other; whatever was accepted is finished exactly once.

On a data folder the next start takes up what was running; on PostgreSQL another process takes it over when the lease of
the dead one is over. `SOAK=1` takes every point; without it, a seeded sample.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tests.postgres import database_for
from tests.processes import TRIAL_PROJECT, ServerProcess
from tests.runs.scenarios import AnswersTwoQuestions, CountsToThree, ReplacesARun, Scenario

DYING = Path(__file__).parent / "dying_server.py"
SOAK = os.environ.get("SOAK") == "1"
LEASES = {"LEASE_SECONDS": "1"}
SAMPLES = [
    ("sqlite", CountsToThree, 3),
    ("sqlite", AnswersTwoQuestions, 3),
    ("sqlite", ReplacesARun, 2),
    ("postgres", CountsToThree, 2),
    ("postgres", AnswersTwoQuestions, 2),
    ("postgres", ReplacesARun, 1),
]


def points_of(kind: type[Scenario], folder: Path, database: Mapping[str, str]) -> int:
    """How many points a scenario passes when nothing dies, from the server's start on."""
    folder.mkdir()
    passed = folder / "points"
    server = ServerProcess(folder / "data", TRIAL_PROJECT, {"POINTS_FILE": str(passed), **database}, DYING)
    server.start()
    try:
        kind(folder / "journal").work(server.url)
    finally:
        server.kill()
    return int(passed.read_text())


def dies_at(point: int, kind: type[Scenario], folder: Path, database: Mapping[str, str]) -> bool:
    """Whether the server died at that point; in any case the work is finished, and checked, afterwards."""
    folder.mkdir()
    scenario = kind(folder / "journal")
    server = ServerProcess(folder / "data", TRIAL_PROJECT, {"DIE_AT": str(point), **database}, DYING)
    died = False
    try:
        server.start()
        scenario.work(server.url)
    except (AssertionError, httpx.HTTPError):
        died = (server.exit_code if server.process is None else server.ended()) == 137
        if not died:
            raise
    finally:
        if server.process is not None:
            server.kill()
    again = ServerProcess(folder / "data", TRIAL_PROJECT, database)
    try:
        again.start()
        scenario.work(again.url)
        scenario.check(again, int(died))
    finally:
        if again.process is not None:
            again.kill()
    return died


@pytest.mark.fault(1, 2, 4, 5, 6, 7)
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("database", "kind", "sample"), SAMPLES)
def test_whatever_was_accepted_is_finished_once_wherever_the_process_dies(
    database: str, kind: type[Scenario], sample: int, tmp_path: Path
) -> None:
    with database_for(database) as environment:
        points = points_of(kind, tmp_path / "counted", {**environment, **LEASES})
    assert points > 15
    every = list(range(1, points + 1))
    chosen = every if SOAK else sorted(random.Random(7).sample(every, sample))
    deaths = 0
    for point in chosen:
        print(f"dies at point {point} of {points}")  # noqa: T201 - shown when this point fails
        with database_for(database) as environment:
            deaths += dies_at(point, kind, tmp_path / str(point), {**environment, **LEASES})
    assert deaths >= 0.6 * len(chosen), "the points that were counted are not the points that were reached"
