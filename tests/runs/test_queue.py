"""The durable queue: order, one run a thread, decisions that survive, endings that happen once."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from tests.runs.records import EARLIER, LATER, NOW, enqueue, new_run
from threadkeep.callers import EVERYONE, Caller
from threadkeep.errors import ConflictError, NotFoundError
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.run import Ending
from threadkeep.storage.database import Database
from threadkeep.storage.intents import Intents
from threadkeep.storage.threads import Threads

SUCCESS = Ending("success", "idle")


@pytest.fixture
def queue(database: Database) -> RunQueue:
    # A lease that is over at once: what a test calls lost is lost in either database.
    return RunQueue(database, worker_id="this", lease_seconds=0)


async def claimed_ids(queue: RunQueue, limit: int = 10, now: str = NOW, **given: object) -> list[str]:
    return [run.run_id for run in await queue.claim(now=now, limit=limit, **given)]  # type: ignore[arg-type]


async def test_runs_of_a_thread_start_one_after_the_other_in_the_order_of_acceptance(queue: RunQueue) -> None:
    first, second = [(await enqueue(queue, "t")).run for _ in range(2)]
    assert await claimed_ids(queue) == [first.run_id]
    assert await claimed_ids(queue) == []
    [running] = await queue.active_runs(EVERYONE, status="running")
    await queue.finish(running, SUCCESS, now=NOW)
    assert await claimed_ids(queue) == [second.run_id]


async def test_runs_of_many_threads_start_together_up_to_the_limit(queue: RunQueue) -> None:
    accepted = [(await enqueue(queue, f"t{number}")).run.run_id for number in range(5)]
    assert await claimed_ids(queue, limit=3) == accepted[:3]
    assert await claimed_ids(queue, limit=3) == accepted[3:]


async def test_a_full_graph_does_not_hold_up_the_others(queue: RunQueue) -> None:
    await enqueue(queue, "t1", graph_id="full")
    other = await enqueue(queue, "t2", graph_id="free")
    assert await claimed_ids(queue, full_graphs=["full"]) == [other.run.run_id]


async def test_a_delayed_run_starts_when_it_is_due_and_holds_nobody_up(queue: RunQueue) -> None:
    delayed = await enqueue(queue, "t", due_at=LATER)
    prompt = await enqueue(queue, "t")
    assert await queue.next_due(now=NOW) == LATER
    assert await claimed_ids(queue) == [prompt.run.run_id]
    [running] = await queue.active_runs(EVERYONE, status="running")
    await queue.finish(running, SUCCESS, now=NOW)
    assert [run.run_id for run in await queue.claim(now=LATER, limit=1)] == [delayed.run.run_id]


async def test_reject_refuses_a_second_run_and_stores_nothing(queue: RunQueue) -> None:
    await enqueue(queue, "t")
    with pytest.raises(ConflictError, match="already running a task"):
        await enqueue(queue, "t", multitask_strategy="reject")
    assert len(await queue.list_runs("t", EVERYONE)) == 1


async def test_of_two_rejecting_runs_at_the_same_moment_one_is_accepted(queue: RunQueue) -> None:
    results = await asyncio.gather(
        *(enqueue(queue, "t", multitask_strategy="reject") for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Accepted", "ConflictError"]


async def test_interrupt_stops_the_running_run_and_ends_the_waiting_ones(queue: RunQueue) -> None:
    running, waiting = [(await enqueue(queue, "t")).run for _ in range(2)]
    await queue.claim(now=NOW, limit=1)
    accepted = await enqueue(queue, "t", multitask_strategy="interrupt")
    assert accepted.to_stop == (running.run_id,)
    assert (await queue.get(running.run_id, EVERYONE)).cancel == "interrupt"
    assert (await queue.get(waiting.run_id, EVERYONE)).status == "interrupted"


async def test_rollback_forgets_the_waiting_runs(queue: RunQueue) -> None:
    running, waiting = [(await enqueue(queue, "t")).run for _ in range(2)]
    await queue.claim(now=NOW, limit=1)
    await enqueue(queue, "t", multitask_strategy="rollback")
    assert (await queue.get(running.run_id, EVERYONE)).cancel == "rollback"
    with pytest.raises(NotFoundError):
        await queue.get(waiting.run_id, EVERYONE)


async def test_a_decision_to_cancel_wins_over_a_success_that_comes_at_the_same_moment(
    queue: RunQueue, database: Database
) -> None:
    await enqueue(queue, "t")
    [run] = await queue.claim(now=NOW, limit=1)
    assert await queue.request_cancel(run, "rollback", reason="asked", now=NOW)
    settled = await queue.finish(run, SUCCESS, now=NOW)
    assert settled is not None
    assert settled.rolled_back
    assert [intent.kind for intent in await Intents(database).open_ones("t")] == ["delete_run"]
    with pytest.raises(NotFoundError):
        await queue.get(run.run_id, EVERYONE)


async def test_cancelling_is_idempotent_and_an_ended_run_cannot_be_cancelled(queue: RunQueue) -> None:
    run = (await enqueue(queue, "t")).run
    assert await queue.request_cancel(run, "interrupt", reason="asked", now=NOW)
    assert not await queue.request_cancel(run, "interrupt", reason="asked", now=NOW)
    assert not await queue.request_cancel(new_run("t"), "interrupt", reason="asked", now=NOW)


async def test_cancelling_the_only_waiting_run_frees_the_thread(queue: RunQueue, database: Database) -> None:
    run = (await enqueue(queue, "t")).run
    threads = Threads(database)
    assert (await threads.get("t", EVERYONE)).status == "busy"
    await queue.request_cancel(run, "interrupt", reason="asked", now=NOW)
    assert (await threads.get("t", EVERYONE)).status == "idle"


async def test_the_same_key_gives_the_same_run(queue: RunQueue) -> None:
    first = await enqueue(queue, "t", idempotency_key="k")
    again = await enqueue(queue, "t", idempotency_key="k")
    other_owner = await enqueue(queue, "t2", idempotency_key="k", owner="somebody")
    assert first.is_new
    assert not again.is_new
    assert again.run.run_id == first.run.run_id
    assert other_owner.is_new


async def test_an_attempt_that_lost_its_run_can_neither_end_it_nor_give_it_back(queue: RunQueue) -> None:
    await enqueue(queue, "t")
    [lost] = await queue.claim(now=NOW, limit=1)
    await queue.rescue(now=NOW)
    [held] = await queue.claim(now=NOW, limit=1)
    assert held.attempt == lost.attempt + 1
    assert await queue.finish(lost, SUCCESS, now=NOW) is None
    await queue.release(lost, now=NOW)
    assert (await queue.get(lost.run_id, EVERYONE)).status == "running"
    assert await queue.finish(held, SUCCESS, now=NOW) is not None


async def test_rescued_runs_start_before_those_that_only_waited(queue: RunQueue) -> None:
    waiting = (await enqueue(queue, "t1")).run
    running = (await enqueue(queue, "t2")).run
    await queue.claim(now=NOW, limit=1, full_graphs=[])
    await queue.rescue(now=NOW)
    claimed = await claimed_ids(queue, limit=1)
    assert claimed == [waiting.run_id]  # it had started, being older; now it is first again
    assert await claimed_ids(queue, limit=1) == [running.run_id]


async def test_starts_without_progress_are_counted_and_progress_starts_the_count_anew(queue: RunQueue) -> None:
    await enqueue(queue, "t")
    failures = []
    for progress in ("/0", "/0", "/0", "c1/0", "c1/0"):
        [run] = await queue.claim(now=NOW, limit=1)
        failures.append(await queue.note_attempt(run, progress=progress))
        await queue.rescue(now=NOW)
    assert failures == [0, 1, 2, 0, 1]


async def test_a_start_that_a_stopping_server_gave_back_does_not_count(queue: RunQueue) -> None:
    await enqueue(queue, "t")
    [run] = await queue.claim(now=NOW, limit=1)
    await queue.release(run, now=NOW)
    [again] = await queue.claim(now=NOW, limit=1)
    assert await queue.note_attempt(again, progress="/0") == 0


async def test_a_thread_stays_busy_while_another_run_waits(queue: RunQueue, database: Database) -> None:
    threads = Threads(database)
    await enqueue(queue, "t")
    await enqueue(queue, "t")
    [first] = await queue.claim(now=NOW, limit=1)
    await queue.finish(first, SUCCESS, now=NOW)
    assert (await threads.get("t", EVERYONE)).status == "busy"
    [second] = await queue.claim(now=NOW, limit=1)
    await queue.finish(second, Ending("error", "error", thread_error={"error": "E", "message": "m"}), now=NOW)
    thread = await threads.get("t", EVERYONE)
    assert (thread.status, thread.error) == ("error", {"error": "E", "message": "m"})


async def test_a_caller_sees_and_uses_only_what_is_its_own(queue: RunQueue) -> None:
    mine = await enqueue(queue, "t", owner="me")
    stranger = Caller("stranger")
    with pytest.raises(NotFoundError):
        await queue.get(mine.run.run_id, stranger)
    assert await queue.list_runs("t", stranger) == []
    with pytest.raises(NotFoundError):
        await queue.enqueue(new_run("missing", owner="stranger"), stranger)


@pytest.mark.fault(16)
async def test_a_clock_that_jumps_back_changes_no_order(queue: RunQueue) -> None:
    later = (await enqueue(queue, "t", created_at=LATER, due_at=NOW)).run
    earlier = (await enqueue(queue, "t", created_at=NOW, due_at=NOW)).run
    assert await claimed_ids(queue) == [later.run_id]
    assert [run.run_id for run in await queue.list_runs("t", EVERYONE)] == [earlier.run_id, later.run_id]


@pytest.mark.fault(16)
async def test_a_clock_that_is_set_back_neither_holds_up_a_waiting_run_nor_lets_another_past(queue: RunQueue) -> None:
    await enqueue(queue, "t")
    [running] = await queue.claim(now=NOW, limit=1)
    waiting = (await enqueue(queue, "t")).run
    newer = (await enqueue(queue, "t", created_at=EARLIER)).run
    await queue.finish(running, SUCCESS, now=EARLIER)
    assert await queue.something_waits(now=EARLIER)
    assert await queue.next_due(now=EARLIER) is None
    assert await queue.longest_wait(datetime.fromisoformat(EARLIER)) == 0
    assert await claimed_ids(queue, now=EARLIER) == [waiting.run_id]
    [running] = await queue.active_runs(EVERYONE, status="running")
    await queue.finish(running, SUCCESS, now=EARLIER)
    assert await claimed_ids(queue, now=EARLIER) == [newer.run_id]


@pytest.mark.fault(16)
async def test_a_delayed_run_that_has_started_once_waits_for_no_clock_again(queue: RunQueue) -> None:
    delayed = (await enqueue(queue, "t", due_at=LATER)).run
    assert await claimed_ids(queue, now=LATER) == [delayed.run_id]
    await queue.rescue(now=NOW)
    await enqueue(queue, "t")
    assert await queue.next_due(now=NOW) is None
    assert await claimed_ids(queue) == [delayed.run_id]


@pytest.mark.fault(16)
async def test_a_delayed_run_keeps_its_time_whatever_the_clock_does(queue: RunQueue) -> None:
    delayed = (await enqueue(queue, "t", due_at=LATER)).run
    assert await claimed_ids(queue, now=EARLIER) == []
    assert not await queue.something_waits(now=EARLIER)
    assert await queue.next_due(now=EARLIER) == LATER
    assert await claimed_ids(queue, now=LATER) == [delayed.run_id]


async def test_a_place_in_the_order_is_never_given_again(queue: RunQueue) -> None:
    first, second = [(await enqueue(queue, "t")).run for _ in range(2)]
    place = await queue.sequence(second.run_id)
    for run in (second, first):
        await queue.delete(run, now=NOW)
    assert await queue.newest_sequence() == place
    third = (await enqueue(queue, "t")).run
    assert place is not None
    assert await queue.sequence(third.run_id) == place + 1 == await queue.newest_sequence()
