"""The process dies at every durable transition, one after the other; whatever was accepted is finished exactly once.

`SOAK=1` takes every point; without it, a seeded sample.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import httpx
import pytest

from tests.processes import TRIAL_PROJECT, ServerProcess
from tests.runs.scenarios import AnswersTwoQuestions, CountsToThree, ReplacesARun, Scenario

DYING = Path(__file__).parent / "dying_server.py"
SOAK = os.environ.get("SOAK") == "1"


def points_of(kind: type[Scenario], folder: Path) -> int:
    """How many points a scenario passes when nothing dies, from the server's start on."""
    folder.mkdir()
    passed = folder / "points"
    server = ServerProcess(folder / "data", TRIAL_PROJECT, {"POINTS_FILE": str(passed)}, DYING)
    server.start()
    try:
        kind(folder / "journal").work(server.url)
    finally:
        server.kill()
    return int(passed.read_text())


def dies_at(point: int, kind: type[Scenario], folder: Path) -> bool:
    """Whether the server died at that point; in any case the work is finished, and checked, afterwards."""
    folder.mkdir()
    scenario = kind(folder / "journal")
    server = ServerProcess(folder / "data", TRIAL_PROJECT, {"DIE_AT": str(point)}, DYING)
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
    again = ServerProcess(folder / "data", TRIAL_PROJECT)
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
@pytest.mark.parametrize(("kind", "sample"), [(CountsToThree, 5), (AnswersTwoQuestions, 6), (ReplacesARun, 3)])
def test_whatever_was_accepted_is_finished_once_wherever_the_process_dies(
    kind: type[Scenario], sample: int, tmp_path: Path
) -> None:
    points = points_of(kind, tmp_path / "counted")
    assert points > 15
    every = list(range(1, points + 1))
    chosen = every if SOAK else sorted(random.Random(7).sample(every, sample))
    deaths = 0
    for point in chosen:
        print(f"dies at point {point} of {points}")  # noqa: T201 - shown when this point fails
        deaths += dies_at(point, kind, tmp_path / str(point))
    assert deaths >= 0.6 * len(chosen), "the points that were counted are not the points that were reached"
