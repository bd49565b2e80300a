"""What the next start finds when the power goes at the moment a client is told how its run ended.

Both files of the data folder are on a disk that forgets what it was not told to sync. An end that would be found again
may be among what is lost; any other may not, and nothing that was told may ever turn out otherwise.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import apsw
import pytest

from tests.runs.power_cut import World, accepted, answer_of, answered
from tests.runs.records import NOW
from tests.streams.test_event_log import queue_on, running
from threadkeep.callers import EVERYONE
from threadkeep.engine import Engine
from threadkeep.runs.accept import AcceptedRun, RunRequest
from threadkeep.runs.run import Ending
from threadkeep.storage.sqlite import open_sqlite
from threadkeep.storage.threads import Threads


def status_in(folder: Path, run: AcceptedRun) -> str | None:
    """What the server's file says of a run after the power cut; None when it knows nothing of it."""
    connection = apsw.Connection(str(folder / "server.db"))
    try:
        found = connection.execute("SELECT status FROM runs WHERE run_id = ?", (run.run.run_id,)).fetchone()
        return None if found is None else str(found[0])
    finally:
        connection.close()


async def cut_that_loses_the_end(world: World, engine: Engine, run: Callable[[], Any]) -> tuple[Path, AcceptedRun]:
    """The power goes when the answer is there. A slow machine may have synced the end by then: another run, then."""
    for _ in range(50):
        told = await run()
        folder = world.power_cut()
        if status_in(folder, told) != "success":
            return folder, told
    raise AssertionError("no end was told before it was on the disk")


async def ended_again(engine: Engine, told: AcceptedRun) -> Any:
    """The run's status and its answer, once the engine that was started after the power cut has ended it."""
    if (await engine.queue.get(told.run.run_id, EVERYONE)).active:
        stream = await engine.event_log.open(told.run.run_id, resumable=False)
        async with asyncio.timeout(30):
            assert await stream.until_over()
    run = await engine.queue.get(told.run.run_id, EVERYONE)
    thread = await engine.threads.get(run.thread_id, EVERYONE)
    return run.status, thread.status, [m["content"] for m in (await engine.values.of_ended(run))["messages"]]


async def test_an_end_that_the_power_took_is_found_again_with_the_same_answer_and_no_node_runs_twice(
    world: World,
) -> None:
    async with world.opened() as engine:
        folder, told = await cut_that_loses_the_end(world, engine, lambda: answered(engine, "hello"))
    assert status_in(folder, told) == "running", "the run's acceptance is on the disk before its answer"
    visits = list(world.visits)
    async with world.opened(folder) as engine:
        assert await ended_again(engine, told) == ("success", "idle", ["hello", "hello!"])
        again = await answered(engine, "more", told.run.thread_id)
        assert [m.content for m in again.stream.result["messages"]] == ["hello", "hello!", "more", "more!"]  # type: ignore[union-attr]
    assert world.visits == [*visits, "more"]


@pytest.mark.parametrize("how", [{"durability": "exit"}, {"durability": "sync"}, {"command": {"resume": "tea"}}])
async def test_so_is_one_whose_run_kept_its_state_otherwise_or_went_on_from_a_question(
    world: World, how: dict[str, Any]
) -> None:
    async with world.opened() as engine:

        async def run() -> AcceptedRun:
            if "command" not in how:
                return await answered(engine, "hello", **how)
            first = await answered(engine, "ask")
            request = RunRequest("g", **how)
            second = await engine.acceptance.accept(request, EVERYONE, thread_id=first.run.thread_id, told=False)
            await answer_of(second)
            return second

        folder, told = await cut_that_loses_the_end(world, engine, run)
    visits = list(world.visits)
    async with world.opened(folder) as engine:
        status, thread_status, messages = await ended_again(engine, told)
        assert (status, thread_status, messages[-1]) == ("success", "idle", f"{messages[0]}!")
    assert world.visits == visits


async def test_the_start_of_a_run_that_had_to_wait_is_on_the_disk_before_its_answer(world: World) -> None:
    async with world.opened(max_concurrent_runs=1) as engine:

        async def run() -> AcceptedRun:
            world.gate.clear()
            world.reached.clear()
            await accepted(engine, "wait", stream_resumable=True)  # whose end leaves nothing to sync
            await world.reached.wait()
            second = await accepted(engine, "hello")
            await engine.queue.sync()
            world.gate.set()
            await answer_of(second)
            return second

        folder, told = await cut_that_loses_the_end(world, engine, run)
    assert status_in(folder, told) == "running"
    visits = list(world.visits)
    async with world.opened(folder) as engine:
        assert await ended_again(engine, told) == ("success", "idle", ["hello", "hello!"])
    assert world.visits == visits


@pytest.mark.parametrize(
    ("text", "asked", "status"),
    [
        ("fail", {}, "error"),
        ("ask", {}, "success"),
        ("model", {}, "success"),
        ("hello", {"webhook": "http://127.0.0.1:1/told"}, "success"),
        ("hello", {"stream_resumable": True}, "success"),
    ],
    ids=["error", "interrupted", "model", "webhook", "resumable"],
)
async def test_an_end_that_only_its_own_record_tells_is_on_the_disk_before_anybody_is_told(
    world: World, text: str, asked: dict[str, Any], status: str
) -> None:
    async with world.opened() as engine:
        for _ in range(3):
            told = await answered(engine, text, **asked)
            assert status_in(world.power_cut(), told) == status


async def test_a_cancelled_end_is_on_the_disk_before_anybody_is_told(world: World) -> None:
    async with world.opened() as engine:
        for _ in range(3):
            world.reached.clear()
            run = await accepted(engine, "wait")
            await world.reached.wait()
            await engine.acceptance.cancel(run.run, "interrupt")
            await answer_of(run)
            assert status_in(world.power_cut(), run) == "interrupted"


async def test_who_follows_the_thread_is_told_of_an_end_that_is_on_the_disk(world: World) -> None:
    async with world.opened() as engine:
        thread_id = str(uuid4())
        with engine.acceptance.feeds.following(thread_id):
            for _ in range(3):
                told = await answered(engine, "hello", thread_id)
                assert status_in(world.power_cut(), told) == "success"


async def test_an_end_gets_to_the_disk_by_itself(world: World) -> None:
    async with world.opened() as engine:
        told = await answered(engine, "hello")
        async with asyncio.timeout(10):
            while status_in(world.power_cut(), told) != "success":
                world.synced.clear()
                await world.synced.wait()


async def test_a_thread_goes_on_only_when_its_last_end_is_on_the_disk(world: World) -> None:
    async with world.opened() as engine:
        for _ in range(3):
            world.gate.clear()
            world.reached.clear()
            first = await answered(engine, "hello")
            second = await accepted(engine, "wait", first.run.thread_id)
            await world.reached.wait()
            assert status_in(world.power_cut(), first) == "success", "a second run"
            world.gate.set()
            await answer_of(second)
            async with engine.worker.keep_off(first.run.thread_id):
                assert status_in(world.power_cut(), second) == "success", "a change of state by hand"


@pytest.mark.parametrize("seed", range(6))
async def test_conversations_are_what_their_clients_were_told_whatever_the_power_cut_spares(
    world: World, seed: int
) -> None:
    chance = random.Random(seed)
    threads = [str(uuid4()) for _ in range(3)]
    told: dict[str, list[str]] = {thread_id: [] for thread_id in threads}
    runs: list[AcceptedRun] = []
    async with world.opened() as engine:

        async def talk(thread_id: str, number: int) -> None:
            run = await answered(engine, str(number), thread_id)
            assert run.stream is not None
            told[thread_id] = [m.content for m in run.stream.result["messages"]]
            runs.append(run)

        for number in range(chance.randrange(1, 8)):
            chosen = chance.sample(threads, chance.randrange(1, 4))
            await asyncio.gather(*(talk(thread_id, number) for thread_id in chosen))
        folder = world.power_cut(chance)
    visits = sorted(world.visits)
    async with world.opened(folder) as engine:
        last = {run.run.thread_id: run for run in runs}
        for thread_id, run in last.items():
            assert await ended_again(engine, run) == ("success", "idle", told[thread_id])
        for run in runs:
            assert (await engine.queue.get(run.run.run_id, EVERYONE)).status == "success"
    assert sorted(world.visits) == visits


async def test_whoever_sees_a_thread_idle_by_an_early_end_waits_until_that_is_on_the_disk(tmp_path: Path) -> None:
    """Between the commit and the turn of the loop in which the one who ended the run goes on, as well."""
    async with open_sqlite(tmp_path / "server.db") as database, asyncio.timeout(30):
        queue, run = queue_on(database), await running(database)
        await database.sync()
        finishing = asyncio.create_task(queue.finish(run, Ending("success", "idle"), now=NOW, early=True))
        while (await Threads(database).get(run.thread_id, EVERYONE)).status == "busy":  # noqa: ASYNC110 - turn by turn
            await asyncio.sleep(0)
        place = database._log.committed
        assert not finishing.done()
        assert not database.is_on_disk(place)
        await queue.until_end_is_safe(run.thread_id)
        assert database.is_on_disk(place)
        await finishing
