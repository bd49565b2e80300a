"""How long traces are kept: by age, and by what all of them weigh."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.runs.records import enqueue
from threadkeep import json
from threadkeep.clock import timestamp
from threadkeep.runs.queue import RunQueue
from threadkeep.storage.database import Database
from threadkeep.storage.sqlite import open_sqlite
from threadkeep.storage.traces import Span, Traces

START = datetime(2026, 1, 1, tzinfo=UTC)
NEVER = timestamp(START - timedelta(days=1))
PLENTY = 10**9


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_sqlite(tmp_path / "server.db") as database:
        yield database


def hour(number: int) -> str:
    return timestamp(START + timedelta(hours=number))


async def hourly_runs(database: Database, count: int) -> list[str]:
    """Runs on one thread, an hour apart, each with a call that was sent "shared" and something of its own."""
    queue, traces, made = RunQueue(database), Traces(database), []
    for number in range(count):
        run = (await enqueue(queue, "thread")).run
        span = Span(f"span {number}", hour(number), json.dumps_text({"sent": ["shared", f"own {number}"]}))
        contents = {"shared": '"shared"', f"own {number}": json.dumps_text("x" * 1_000)}
        assert await traces.store("thread", run.run_id, None, [span], contents)
        made.append(run.run_id)
    return made


async def kept(database: Database, runs: list[str]) -> list[int]:
    """Which of the runs still have their trace; each then has it whole."""
    found = []
    for number, run_id in enumerate(runs):
        spans, contents = await Traces(database).of_run(run_id, "thread")
        if spans:
            assert set(contents) == {"shared", f"own {number}"}
            found.append(number)
    return found


async def test_what_was_last_used_before_a_time_is_dropped_and_what_is_used_again_is_not(database: Database) -> None:
    runs = await hourly_runs(database, 4)
    assert await Traces(database).forget_old(before=hour(2), most_bytes=PLENTY) == 4
    assert await kept(database, runs) == [2, 3]
    assert await Traces(database).forget_old(before=hour(9), most_bytes=PLENTY) == 5
    assert await kept(database, runs) == []


async def test_the_oldest_are_dropped_until_the_rest_is_light_enough(database: Database) -> None:
    runs = await hourly_runs(database, 10)
    assert await Traces(database).forget_old(before=NEVER, most_bytes=20_000) == 0
    assert await Traces(database).forget_old(before=NEVER, most_bytes=5_000) > 0
    left = await kept(database, runs)
    assert left == list(range(10 - len(left), 10))
    assert 3 <= len(left) <= 4


async def test_nothing_is_stored_of_a_run_that_is_gone(database: Database) -> None:
    [run_id] = await hourly_runs(database, 1)
    span = Span("late", hour(1), json.dumps_text({"sent": ["late"]}))
    assert not await Traces(database).store("thread", "gone", None, [span], {"late": '"late"'})
    assert await kept(database, [run_id]) == [0]
    assert await database.read("SELECT count(*) FROM trace_contents WHERE hash = 'late'") == [(0,)]


async def test_old_traces_go_in_bites_however_many_there_are(database: Database) -> None:
    run = (await enqueue(RunQueue(database), "thread")).run
    spans = [Span(f"span {number}", hour(number), "{}") for number in range(1_300)]
    traces = Traces(database)
    await traces.store("thread", run.run_id, None, spans, {})
    assert await traces.forget_old(before=hour(1_250), most_bytes=PLENTY) == 1_250
    assert len((await traces.of_run(run.run_id, "thread"))[0]) == 50
