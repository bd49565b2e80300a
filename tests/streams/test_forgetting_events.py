"""How events go when their time has come: in small pieces, told first, and from their run's end."""

from __future__ import annotations

from functools import partial

import pytest

from tests.runs.records import LATER
from tests.streams.test_event_log import end, log_on, read_all, running
from threadkeep.runs.run import Run
from threadkeep.storage.database import Database
from threadkeep.streams.event_log import EventLog
from threadkeep.streams.event_store import _BYTES_DROPPED_AT_ONCE, _DROPPED_AT_ONCE, _PAGE, EventStore, _drop_some
from threadkeep.streams.live import END, GapError

MANY = 2 * max(_DROPPED_AT_ONCE, _PAGE) + 100


async def ended(database: Database, log: EventLog, *, events: int, thread_id: str) -> Run:
    """A run that has ended with so many events, its end among them."""
    run = await running(database, thread_id=thread_id)
    stream = await log.produce(run.run_id, resumable=True)
    for number in range(1, events):
        log.append(stream, "values", number, attempt=1)
    await end(database, log, stream, run)
    return run


async def kept(database: Database) -> dict[str, int]:
    return dict(await database.read("SELECT run_id, count(*) FROM events GROUP BY run_id"))


async def test_runs_with_many_events_are_forgotten_whole(database: Database) -> None:
    log = log_on(database)
    runs = [await ended(database, log, events=events, thread_id=f"t{events}") for events in (2, MANY, 3)]
    assert await log.store.forget_old(ended_before=LATER, thread_bytes=10**9) == 3
    assert await kept(database) == {}
    assert [await log.store.floor(run.run_id) for run in runs] == [2, MANY, 3]
    assert await log.store.forget_old(ended_before=LATER, thread_bytes=10**9) == 0


async def test_of_large_events_fewer_go_at_once(database: Database) -> None:
    """The end of a run is small, and goes first."""
    log = log_on(database)
    run = await running(database, thread_id="t")
    stream = await log.produce(run.run_id, resumable=True)
    for _ in range(7):
        log.append(stream, "values", "x" * (_BYTES_DROPPED_AT_ONCE // 2), attempt=1)
    await end(database, log, stream, run)
    left, runs = [], [run.run_id]
    while runs:
        runs = await database.write(partial(_drop_some, runs=runs))
        left.append((await kept(database)).get(run.run_id, 0))
    assert left == [5, 3, 1, 0]


async def test_of_a_run_that_is_half_forgotten_all_is_told_to_be_gone_and_the_rest_goes_the_next_time(
    database: Database,
) -> None:
    log = log_on(database)
    run = await ended(database, log, events=MANY, thread_id="t")
    assert await database.write(lambda connection: _drop_some(connection, [run.run_id])) == [run.run_id]
    assert await kept(database) == {run.run_id: MANY - _DROPPED_AT_ONCE}
    with pytest.raises(GapError, match=f"up to {MANY}"):
        await log.store.require_kept(run.run_id, MANY - 1)
    assert await log.store.forget_old(ended_before=LATER, thread_bytes=10**9) == 1
    assert (await kept(database), await log.store.floor(run.run_id)) == ({}, MANY)


async def test_who_is_just_reading_a_run_that_is_being_forgotten_meets_no_hole(database: Database) -> None:
    log = log_on(database)
    run = await ended(database, log, events=MANY, thread_id="t")
    batches = log.replay(run.run_id, "success", 0, attempt=1, resumable=True)
    first = await anext(batches)
    await database.write(lambda connection: _drop_some(connection, [run.run_id]))
    numbers = [number for number, _, _ in await read_all(batches)]
    assert [event.event_id for event in first] == list(range(1, _PAGE + 1))
    assert numbers == list(range(_PAGE + 1, MANY - _DROPPED_AT_ONCE + 2))  # and the end, in the place of what is gone


async def test_a_threads_events_go_before_it_and_no_others(database: Database) -> None:
    log = log_on(database)
    gone = await ended(database, log, events=MANY, thread_id="gone")
    stays = await ended(database, log, events=3, thread_id="stays")
    await EventStore(database).forget_thread(gone.thread_id)
    assert await kept(database) == {stays.run_id: 3}
    assert await read_all(log.replay(gone.run_id, "success", MANY, attempt=1, resumable=True)) == [
        (MANY + 1, END, {"run_id": gone.run_id, "status": "success"})
    ]
