"""When runs are started: along with their acceptance where there is a place, else when the worker looks for them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from tests.api.waiting import until
from tests.runs.engines import HeldClock, opened
from threadkeep.callers import EVERYONE
from threadkeep.engine import Engine
from threadkeep.errors import NotFoundError, UnavailableError
from threadkeep.runs.accept import RunRequest
from threadkeep.runs.run import Run
from threadkeep.storage.connection import Connection


class SteppingClock(HeldClock):
    """Told to step, it does so after its next reading."""

    step = timedelta(0)

    def now(self) -> datetime:
        moment = self.moment
        self.moment, self.step = self.moment + self.step, timedelta(0)
        return moment


async def test_a_run_that_becomes_due_while_the_worker_looks_is_not_left_for_later(tmp_path: Path) -> None:
    clock = SteppingClock()
    async with opened(tmp_path, clock) as engine:
        request = RunRequest("g", input={"messages": "hello"}, after_seconds=100, on_completion="keep")
        run = (await engine.acceptance.accept(request, EVERYONE, thread_id=None)).run

        async def found() -> Run:
            return await engine.queue.get(run.run_id, EVERYONE)

        await until(found, lambda seen: seen.status == "pending")
        clock.step = timedelta(seconds=200)  # the worker's look is just before the run is due, its next just after
        engine.worker.wake()
        await until(found, lambda seen: seen.status == "success")


REQUEST = RunRequest("g", input={"messages": "hello"}, if_not_exists="create")
THREAD = "00000000-0000-4000-8000-000000000001"


async def the_run(engine: Engine) -> Run:
    [run] = await engine.queue.list_runs(THREAD, EVERYONE)
    return run


async def test_a_run_that_meets_nobody_is_started_by_the_transaction_that_stores_it(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with opened(tmp_path, HeldClock(), gate) as engine:
        await until(lambda: engine.queue.depth(), lambda depth: depth.pending == 0)
        accepted = await engine.acceptance.accept(REQUEST, EVERYONE, thread_id=THREAD)
        assert accepted.run.status == "pending"  # what is told of it is what was asked for
        assert ((await the_run(engine)).status, (await the_run(engine)).attempt) == ("running", 1)
        gate.set()
        await until(lambda: the_run(engine), lambda seen: seen.status == "success")


@pytest.fixture(params=["sqlite", "postgres"])
def database_uri(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_uri")


async def say(engine: Engine, text: str) -> None:
    request = replace(REQUEST, input={"messages": text})
    await engine.acceptance.accept(request, EVERYONE, thread_id=THREAD)


async def all_said(engine: Engine) -> list[str]:
    """What the thread was told, in the order in which it was, once it has answered all of it."""
    runs = lambda: engine.queue.list_runs(THREAD, EVERYONE)  # noqa: E731
    await until(runs, lambda seen: {run.status for run in seen} == {"success"})
    found = await engine.saver.aget_tuple({"configurable": {"thread_id": THREAD, "checkpoint_ns": ""}})
    assert found is not None
    return [message.text for message in found.checkpoint["channel_values"]["messages"] if message.type == "human"]


@pytest.mark.fault(16)
async def test_a_thread_is_answered_in_order_at_once_while_the_clock_is_set_back(
    tmp_path: Path, database_uri: str
) -> None:
    clock, gate = HeldClock(), asyncio.Event()
    async with opened(tmp_path, clock, gate, database_uri=database_uri) as engine:
        await say(engine, "one")
        await until(lambda: engine.queue.depth(), lambda depth: depth.running == 1)
        await say(engine, "two")
        clock.moment -= timedelta(hours=1)
        await say(engine, "three")
        gate.set()
        assert await all_said(engine) == ["one", "two", "three"]


@pytest.mark.fault(16)
async def test_a_thread_is_answered_in_order_at_once_by_a_server_that_starts_with_its_clock_set_back(
    tmp_path: Path, database_uri: str
) -> None:
    clock = HeldClock()
    async with opened(tmp_path, clock, asyncio.Event(), database_uri=database_uri) as engine:
        await say(engine, "one")
        await until(lambda: engine.queue.depth(), lambda depth: depth.running == 1)
        await say(engine, "two")
    clock.moment -= timedelta(hours=1)
    async with opened(tmp_path, clock, database_uri=database_uri) as engine:
        await say(engine, "three")
        assert await all_said(engine) == ["one", "two", "three"]


async def test_a_run_begins_although_its_asker_went_away_while_it_was_stored(tmp_path: Path) -> None:
    async with opened(tmp_path, HeldClock()) as engine:

        def go_away(_: Connection) -> None:
            asking.cancel()

        asking = asyncio.ensure_future(
            engine.acceptance.accept(REQUEST, EVERYONE, thread_id=THREAD, together_with=go_away)
        )
        await asyncio.wait([asking])
        assert asking.cancelled()
        await until(lambda: the_run(engine), lambda seen: seen.status == "success")


async def test_a_run_that_is_stopped_before_it_has_begun_is_taken_up_again(tmp_path: Path) -> None:
    async with opened(tmp_path, HeldClock()) as engine:

        def stop() -> None:
            for run in engine.worker.runs():
                engine.worker.stop_run(run.run_id)

        await engine.acceptance.accept(
            REQUEST,
            EVERYONE,
            thread_id=THREAD,
            together_with=lambda _: asyncio.get_running_loop().call_soon(stop) and None,
        )
        await until(lambda: the_run(engine), lambda seen: seen.status == "success")
        assert (await the_run(engine)).attempt == 2


async def test_no_run_begins_on_a_thread_that_is_kept_for_a_change_of_its_state(tmp_path: Path) -> None:
    async with opened(tmp_path, HeldClock()) as engine:
        async with engine.worker.keep_off(THREAD):
            await engine.acceptance.accept(REQUEST, EVERYONE, thread_id=THREAD)
            assert (await the_run(engine)).status == "pending"
        await until(lambda: the_run(engine), lambda seen: seen.status == "success")


async def test_a_place_that_a_refused_run_would_have_had_is_free_again(tmp_path: Path) -> None:
    async with opened(tmp_path, HeldClock()) as engine:
        with pytest.raises(NotFoundError):
            await engine.acceptance.accept(RunRequest("g", input={}), EVERYONE, thread_id=THREAD)
        assert engine.worker.running_count == 0


class Away(asyncio.Event):
    """Storage that a node asks: it is away so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def wait(self) -> Literal[True]:
        self.times -= 1
        if self.times >= 0:
            raise UnavailableError
        return True


@pytest.mark.parametrize(("times", "status", "attempts"), [(2, "success", 3), (100, "error", 4)])
async def test_a_run_without_storage_is_started_again_until_it_is_seen_that_it_gets_nowhere(
    times: int, status: str, attempts: int, tmp_path: Path
) -> None:
    async with opened(tmp_path, HeldClock(), Away(times)) as engine:
        request = RunRequest("g", input={"messages": "hello"}, on_completion="keep")
        run = (await engine.acceptance.accept(request, EVERYONE, thread_id=None)).run

        async def found() -> Run:
            return await engine.queue.get(run.run_id, EVERYONE)

        ended = await until(found, lambda seen: not seen.active)
        assert (ended.status, ended.attempt) == (status, attempts)
        assert status == "success" or ended.error["error"] == "PoisonRun"
