"""The event log: dense ids, nothing shown before it is stored, nothing lost, nothing silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.runs.records import LATER, NOW, enqueue, new_run
from threadkeep import json
from threadkeep.callers import EVERYONE
from threadkeep.clock import SystemClock
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.run import Ending, Run, RunKwargs
from threadkeep.storage.database import Database
from threadkeep.storage.thread_rows import Thread
from threadkeep.streams.event_log import EventLog, LastEventIdError, parse_last_event_id
from threadkeep.streams.event_store import EventStore
from threadkeep.streams.live import END, Event, GapError, RunStream


async def rebuild(run_id: str, checkpoint_id: str) -> bytes:
    return json.dumps({"rebuilt": checkpoint_id})


def log_on(database: Database, buffer_bytes: int = 100_000) -> EventLog:
    return EventLog(EventStore(database), rebuild, SystemClock(), buffer_bytes=buffer_bytes)


async def running(database: Database, *, thread_id: str = "t", resumable: bool = True) -> Run:
    queue = queue_on(database)
    await enqueue(queue, thread_id, kwargs=RunKwargs(stream_resumable=resumable))
    [run] = await queue.claim(now=NOW, limit=1)
    return run


def queue_on(database: Database) -> RunQueue:
    return RunQueue(database, worker_id="this", lease_seconds=0)


async def started_again(database: Database) -> Run:
    """The same after the process that ran it has died."""
    await queue_on(database).rescue(now=NOW)
    [run] = await queue_on(database).claim(now=NOW, limit=1)
    return run


async def end(database: Database, log: EventLog, stream: RunStream, run: Run, *, now: str = NOW) -> None:
    await log.flush(stream)
    final = log.ending(stream, {"status": "success"}, attempt=run.attempt)
    await queue_on(database).finish(run, Ending("success", "idle"), now=now, final=final if log.kept(stream) else None)
    log.close(stream, final)


async def read_all(batches: AsyncIterator[list[Event]]) -> list[tuple[int, str, object]]:
    async with asyncio.timeout(5):
        return [(event.event_id, event.name, json.loads(event.data)) async for batch in batches for event in batch]


async def test_a_reader_from_the_start_gets_every_event_and_the_end(database: Database) -> None:
    log, run = log_on(database), await running(database)
    stream = await log.produce(run.run_id, resumable=True)
    reading = asyncio.create_task(read_all(log.subscribe(stream, 0)))
    for number in range(5):
        log.append(stream, "values", number, attempt=1)
        await asyncio.sleep(0)
    await end(database, log, stream, run)
    assert await reading == [*((number + 1, "values", number) for number in range(5)), (6, END, {"status": "success"})]


async def test_an_event_of_a_resumable_run_is_stored_before_it_is_shown(database: Database) -> None:
    log, run = log_on(database), await running(database)
    stream = await log.produce(run.run_id, resumable=True)
    batches = log.subscribe(stream, 0)
    log.append(stream, "values", 1, attempt=1)
    assert stream.last_id == 0
    shown = await anext(batches)
    assert [stored.event for stored in await log.store.page(run.run_id, 0)] == shown
    await batches.aclose()  # type: ignore[attr-defined]


async def test_ids_go_on_where_they_stopped_after_a_restart(database: Database) -> None:
    log, run = log_on(database), await running(database)
    stream = await log.produce(run.run_id, resumable=True)
    log.append(stream, "values", "before", attempt=1)
    await log.flush(stream)
    log, run = log_on(database), await started_again(database)
    stream = await log.produce(run.run_id, resumable=True)
    reading = asyncio.create_task(read_all(log.subscribe(stream, 0)))
    log.append(stream, "values", "after", attempt=2)
    await end(database, log, stream, run)
    assert [number for number, _, _ in await reading] == [1, 2, 3]


async def test_ids_stay_dense_where_a_process_takes_a_run_back_that_it_had_lost_without_knowing(
    database: Database,
) -> None:
    log, elsewhere, run = log_on(database), log_on(database), await running(database)
    lost = await log.produce(run.run_id, resumable=True)
    log.append(lost, "values", "first", attempt=1)
    await log.flush(lost)
    run = await started_again(database)
    other = await elsewhere.produce(run.run_id, resumable=True, again=True)
    elsewhere.append(other, "values", "second", attempt=2)
    await elsewhere.flush(other)
    run = await started_again(database)
    stream = await log.produce(run.run_id, resumable=True, again=True)  # while the first attempt has not noticed
    reading = asyncio.create_task(read_all(log.subscribe(stream, 0)))
    log.append(stream, "values", "third", attempt=3)
    await end(database, log, stream, run)
    shown = [(1, "values", "first"), (2, "values", "second"), (3, "values", "third"), (4, END, {"status": "success"})]
    assert await reading == shown
    assert lost.ended  # its readers were let go, to come back
    stored = log_on(database).replay(run.run_id, "success", 0, attempt=3, resumable=True)
    assert await read_all(stored) == shown


async def test_what_an_attempt_that_had_lost_its_run_could_not_store_leaves_no_gap(database: Database) -> None:
    log, run = log_on(database), await running(database)
    lost = await log.produce(run.run_id, resumable=True)
    run = await started_again(database)
    log.append(lost, "values", "too late", attempt=1)
    await log.flush(lost)
    stream = await log.produce(run.run_id, resumable=True, again=True)
    log.append(stream, "values", "in time", attempt=2)
    log.close(lost, None)  # the first attempt notices at last
    assert log.live(run.run_id) is stream
    await end(database, log, stream, run)
    stored = log_on(database).replay(run.run_id, "success", 0, attempt=2, resumable=True)
    late = [] if database.dialect.leases else [(1, "values", "too late")]  # a data folder has one process: none is late
    shown = [*late, (len(late) + 1, "values", "in time"), (len(late) + 2, END, {"status": "success"})]
    assert await read_all(stored) == shown


async def test_a_reader_comes_back_after_any_event_and_misses_nothing(database: Database) -> None:
    log, run = log_on(database, buffer_bytes=50), await running(database)
    stream = await log.produce(run.run_id, resumable=True)
    for number in range(40):
        log.append(stream, "values", "x" * number, attempt=1)
    await end(database, log, stream, run)
    for after in range(42):
        ids = [
            number
            for number, _, _ in await read_all(log.replay(run.run_id, "success", after, attempt=1, resumable=True))
        ]
        # Past the last event there is nothing but the assurance that the run has ended.
        assert ids == (list(range(after + 1, 42)) or [after + 1])


async def test_a_slow_reader_of_a_run_that_is_not_resumable_is_told_that_it_missed_something(
    database: Database,
) -> None:
    log, run = log_on(database, buffer_bytes=50), await running(database, resumable=False)
    stream = await log.produce(run.run_id, resumable=False)
    batches = log.subscribe(stream, 0)
    for _ in range(10):
        log.append(stream, "values", "x" * 20, attempt=1)
    with pytest.raises(GapError):
        await anext(batches)


async def test_a_slow_reader_of_a_resumable_run_reads_from_the_disk_instead(database: Database) -> None:
    log, run = log_on(database, buffer_bytes=50), await running(database)
    stream = await log.produce(run.run_id, resumable=True)
    batches = log.subscribe(stream, 0)
    for number in range(10):
        log.append(stream, "values", f"{number}" * 20, attempt=1)
    await end(database, log, stream, run)
    assert [number for number, _, _ in await read_all(batches)] == list(range(1, 12))


async def test_what_nobody_can_read_is_not_kept(database: Database) -> None:
    log, run = log_on(database), await running(database, resumable=False)
    stream = await log.produce(run.run_id, resumable=False)
    log.append(stream, "values", 1, attempt=1)
    assert stream.last_id == 0


async def test_a_values_frame_is_stored_as_its_checkpoint_and_rebuilt_when_it_is_read(database: Database) -> None:
    log, run = log_on(database), await running(database)
    stream = await log.produce(run.run_id, resumable=True)
    log.append(stream, "values", {"long": "x" * 10_000}, attempt=1, checkpoint_id="c1")
    await end(database, log, stream, run)
    assert (await database.read("SELECT max(length(data)) FROM events"))[0][0] < 100
    events = await read_all(log.replay(run.run_id, "success", 0, attempt=1, resumable=True))
    assert events[0] == (1, "values", {"rebuilt": "c1"})
    async for batch in log.replay(run.run_id, "success", 0, attempt=1, resumable=True, values="none"):
        assert batch[0].data == b""


async def test_a_frame_whose_checkpoint_a_crash_may_have_taken_stays_whole(database: Database) -> None:
    log, run = log_on(database), await running(database)
    stream = await log.produce(run.run_id, resumable=True)
    log.append(stream, "values", "before the crash", attempt=1, checkpoint_id="lost")
    await log.flush(stream)
    log, run = log_on(database), await started_again(database)
    stream = await log.produce(run.run_id, resumable=True)
    log.append(stream, "values", "after it", attempt=2, checkpoint_id="c2")
    await log.flush(stream)
    final = log.ending(stream, {"status": "success"}, attempt=2)
    await queue_on(database).finish(run, Ending("success", "idle"), now=NOW, final=final)
    log.close(stream, final)
    events = await read_all(log.replay(run.run_id, "success", 0, attempt=2, resumable=True))
    assert [data for _, _, data in events[:2]] == ["before the crash", {"rebuilt": "c2"}]


async def test_a_late_reader_of_a_run_that_kept_nothing_still_gets_its_end(database: Database) -> None:
    log = log_on(database)
    assert await read_all(log.replay("unknown", "error", 0, attempt=1, resumable=True)) == [
        (1, END, {"run_id": "unknown", "status": "error"})
    ]


async def test_a_run_that_is_just_being_stored_is_not_taken_for_one_that_is_gone(database: Database) -> None:
    log, queue = log_on(database), queue_on(database)
    coming = new_run("t")
    stream = log.open_new(coming.run_id, resumable=False)
    log.refresh_all()
    if stream.fetcher is not None:
        await asyncio.wait([stream.fetcher])
    assert not stream.ended
    await queue.enqueue(coming, EVERYONE, new_thread=Thread("t", NOW))
    log.stored(stream)
    [run] = await queue.claim(now=NOW, limit=1)
    assert await log.produce(run.run_id, resumable=False) is stream
    await end(database, log, stream, run)
    assert await read_all(log.subscribe(stream, 0)) == [(1, END, {"status": "success"})]


@pytest.mark.parametrize("resumable", [True, False])
async def test_a_stream_that_is_opened_when_its_run_has_just_ended_ends_too(
    database: Database, resumable: bool
) -> None:
    log, run = log_on(database), await running(database, resumable=resumable)
    produced = await log.produce(run.run_id, resumable=resumable)
    log.append(produced, "values", 1, attempt=1)
    await end(database, log, produced, run)
    stream = await log.open(run.run_id, resumable=resumable)
    shown = await read_all(log.subscribe(stream, 0))
    assert [name for _, name, _ in shown] == (["values", END] if resumable else [END])
    if stream.fetcher is not None:
        await asyncio.wait([stream.fetcher])
    assert log.live(run.run_id) is None


async def test_events_that_retention_took_are_a_gap_and_not_silence(database: Database) -> None:
    log, old = log_on(database), await running(database, thread_id="t1")
    stream = await log.produce(old.run_id, resumable=True)
    log.append(stream, "values", 1, attempt=1)
    await end(database, log, stream, old, now=NOW)
    new = await running(database, thread_id="t2")
    stream = await log.produce(new.run_id, resumable=True)
    log.append(stream, "values", 1, attempt=1)
    await end(database, log, stream, new, now=LATER)
    assert await log.store.forget_old(ended_before=LATER, thread_bytes=10_000) == 1
    with pytest.raises(GapError, match="Events up to 2"):
        await log.store.require_kept(old.run_id, 0)
    assert len(await read_all(log.replay(new.run_id, "success", 0, attempt=1, resumable=True))) == 2
    assert await read_all(log.replay(old.run_id, "success", 2, attempt=1, resumable=True)) == [
        (3, END, {"run_id": old.run_id, "status": "success"})
    ]


async def test_a_thread_keeps_its_newest_streams_up_to_its_share(database: Database) -> None:
    log = log_on(database)
    runs = []
    for _ in range(3):
        run = await running(database)
        stream = await log.produce(run.run_id, resumable=True)
        log.append(stream, "values", "x" * 1000, attempt=1)
        await end(database, log, stream, run)
        runs.append(run)
    assert await log.store.forget_old(ended_before=NOW, thread_bytes=2500) == 1
    assert [await log.store.floor(run.run_id) for run in runs] == [2, 0, 0]


async def test_readers_of_a_run_given_up_are_let_go_without_an_end(database: Database) -> None:
    log, run = log_on(database), await running(database)
    stream = await log.produce(run.run_id, resumable=True)
    reading = asyncio.create_task(read_all(log.subscribe(stream, 0)))
    await asyncio.sleep(0)
    log.close(stream, None)
    assert await reading == []


@pytest.mark.parametrize(("header", "after"), [(None, None), ("", None), ("-", 0), ("-1", 0), ("0", 0), (" 17 ", 17)])
def test_every_form_of_last_event_id_is_understood(header: str | None, after: int | None) -> None:
    assert parse_last_event_id(header) == after


@pytest.mark.parametrize("header", ["1-0", "abc", "٣", "9" * 30, "-2"])
def test_an_id_of_another_kind_is_refused(header: str) -> None:
    with pytest.raises(LastEventIdError):
        parse_last_event_id(header)


async def test_what_a_reader_elsewhere_asks_for_is_stored_from_what_is_still_buffered(database: Database) -> None:
    log, run = log_on(database), await running(database, resumable=False)
    stream = await log.produce(run.run_id, resumable=False)
    batches = log.subscribe(stream, 0)
    for number in range(3):
        log.append(stream, "values", number, attempt=1)
    log.share(run.run_id)
    log.append(stream, "values", 3, attempt=1)
    await log.flush(stream)
    assert [stored.event.event_id for stored in await log.store.page(run.run_id, 0)] == [1, 2, 3, 4]
    await end(database, log, stream, run)
    assert [number for number, _, _ in await read_all(batches)] == [1, 2, 3, 4, 5]
