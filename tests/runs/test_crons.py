"""Crons against a clock that the test holds, and once against one that runs: due times, each of them once."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from tests.acceptance.talking import wait_until
from tests.api.waiting import until
from tests.api_requirements import requirement
from tests.processes import TRIAL_PROJECT, ServerProcess
from tests.runs.engines import NOON, HeldClock, opened
from tests.runs.test_crash_points import DYING, SOAK
from threadkeep.callers import EVERYONE, Caller
from threadkeep.clock import timestamp
from threadkeep.engine import Engine
from threadkeep.errors import NotFoundError
from threadkeep.runs.accept import RunRequest
from threadkeep.runs.crons import following, payload_of
from threadkeep.runs.run import Run
from threadkeep.storage.assistants import system_assistant_id
from threadkeep.storage.crons import Cron, CronQuery
from threadkeep.storage.thread_rows import Thread
from threadkeep.storage.threads import ThreadQuery

EVERY_CRON = CronQuery()


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
async def engine(tmp_path: Path, clock: HeldClock) -> AsyncIterator[Engine]:
    async with opened(tmp_path, clock) as engine:
        yield engine


async def add_thread(engine: Engine) -> str:
    thread = Thread("00000000-0000-4000-8000-000000000001", engine.now())
    return (await engine.threads.create(thread, keep_existing=False)).thread_id


async def add_cron(
    engine: Engine, thread_id: str | None = None, *, asked: dict[str, Any] | None = None, **given: Any
) -> Cron:
    assistant_id = system_assistant_id("g")
    request = RunRequest(assistant_id, input={"messages": "hello"}, **(asked or {}))
    number = (await engine.crons.search(EVERY_CRON, EVERYONE))[1]
    cron = Cron(
        f"cron-{number}", assistant_id, "* * * * *", engine.now(), engine.now(), thread_id=thread_id,
        payload=payload_of(request), **given,
    )  # fmt: skip
    return await engine.crons.create(replace(cron, next_run_date=following(cron, engine.clock.now())), EVERYONE)


async def runs_of(engine: Engine, thread_id: str) -> list[Run]:
    return await engine.queue.list_runs(thread_id, EVERYONE, limit=1000)


async def all_ended(engine: Engine, thread_id: str) -> list[Run]:
    return await until(lambda: runs_of(engine, thread_id), lambda runs: not any(run.active for run in runs))  # type: ignore[no-any-return]


@requirement("crons.fire")
async def test_a_cron_fires_when_its_time_has_come_and_not_before(engine: Engine, clock: HeldClock) -> None:
    thread_id = await add_thread(engine)
    await add_cron(engine, thread_id, asked={"metadata": {"m": 1}, "context": {"tone": "loud"}})
    await engine.cron_timer.fire_due()
    assert await runs_of(engine, thread_id) == []
    clock.moment = NOON + timedelta(minutes=1)
    engine.cron_timer.wake()
    [run] = await until(lambda: runs_of(engine, thread_id), bool)
    assert run.kwargs.config["configurable"]["cron_id"] == "cron-0"
    assert (run.metadata["m"], run.kwargs.context) == (1, {"tone": "loud"})
    assert run.created_at == timestamp(NOON + timedelta(minutes=1))


@requirement("crons.once")
async def test_a_time_is_used_once_however_many_look_at_it(engine: Engine, clock: HeldClock) -> None:
    thread_id = await add_thread(engine)
    await add_cron(engine, thread_id)
    clock.moment = NOON + timedelta(minutes=1)
    await asyncio.gather(*(engine.cron_timer.fire_due() for _ in range(5)))
    assert len(await runs_of(engine, thread_id)) == 1
    clock.moment = NOON + timedelta(minutes=2)
    await engine.cron_timer.fire_due()
    assert len(await runs_of(engine, thread_id)) == 2


@requirement("crons.once")
async def test_times_that_passed_while_nobody_served_are_one_run_at_the_next_start(
    tmp_path: Path, clock: HeldClock
) -> None:
    async with opened(tmp_path, clock) as engine:
        thread_id = await add_thread(engine)
        await add_cron(engine, thread_id)
    clock.moment = NOON + timedelta(days=3, seconds=30)
    async with opened(tmp_path, clock) as engine:
        await until(lambda: runs_of(engine, thread_id), bool)
        assert len(await all_ended(engine, thread_id)) == 1
        cron = await engine.crons.get("cron-0", EVERYONE)
        assert cron.next_run_date == timestamp(NOON + timedelta(days=3, minutes=1))


@requirement("crons.once")
async def test_a_clock_that_jumps_back_fires_nothing_again(engine: Engine, clock: HeldClock) -> None:
    thread_id = await add_thread(engine)
    await add_cron(engine, thread_id)
    clock.moment = NOON + timedelta(hours=1)
    await engine.cron_timer.fire_due()
    clock.moment = NOON + timedelta(minutes=10)
    await engine.cron_timer.fire_due()
    assert len(await runs_of(engine, thread_id)) == 1
    clock.moment = NOON + timedelta(hours=1, minutes=1)
    await engine.cron_timer.fire_due()
    assert len(await runs_of(engine, thread_id)) == 2


@requirement("crons.fire")
async def test_a_resting_cron_and_one_past_its_end_do_not_fire(engine: Engine, clock: HeldClock) -> None:
    thread_id = await add_thread(engine)
    await add_cron(engine, thread_id, enabled=False)
    await add_cron(engine, thread_id, end_time=timestamp(NOON + timedelta(minutes=1)))
    for minute in (1, 2, 3):
        clock.moment = NOON + timedelta(minutes=minute)
        await engine.cron_timer.fire_due()
    assert [run.kwargs.config["configurable"]["cron_id"] for run in await runs_of(engine, thread_id)] == ["cron-1"]
    assert (await engine.crons.get("cron-1", EVERYONE)).next_run_date is None


@requirement("crons.thread")
async def test_a_stateless_crons_threads_go_unless_they_are_to_be_kept(engine: Engine, clock: HeldClock) -> None:
    await add_cron(engine)
    await add_cron(engine, asked={"on_completion": "keep"})
    for minute in (1, 2):
        clock.moment = NOON + timedelta(minutes=minute)
        await engine.cron_timer.fire_due()

    async def threads() -> list[Thread]:
        return await engine.threads.search(ThreadQuery(), EVERYONE)

    kept = await until(threads, lambda found: len(found) == 2 and all(thread.status == "idle" for thread in found))
    ran = [run for thread in kept for run in await runs_of(engine, thread.thread_id)]
    assert [run.kwargs.config["configurable"]["cron_id"] for run in ran] == ["cron-1"] * 2


async def test_a_time_that_can_bring_no_run_passes_and_holds_up_no_other(tmp_path: Path, clock: HeldClock) -> None:
    gate = asyncio.Event()
    async with opened(tmp_path, clock, gate) as engine:
        thread_id = await add_thread(engine)
        await add_cron(engine, thread_id, asked={"multitask_strategy": "reject"})
        await add_cron(engine, asked={"on_completion": "keep"})
        for minute in (1, 2):
            clock.moment = NOON + timedelta(minutes=minute)
            await engine.cron_timer.fire_due()
        assert len(await runs_of(engine, thread_id)) == 1  # the second time, the first run was still at it
        assert await engine.threads.count(ThreadQuery(), EVERYONE) == 3
        assert (await engine.crons.get("cron-0", EVERYONE)).next_run_date == timestamp(NOON + timedelta(minutes=3))
        gate.set()
        await all_ended(engine, thread_id)


async def test_one_that_cannot_be_read_holds_up_no_other_and_a_run_of_that_kind_ends_as_an_error(
    engine: Engine, clock: HeldClock
) -> None:
    thread_id = await add_thread(engine)
    await add_cron(engine)
    await add_cron(engine, thread_id, asked={"after_seconds": 60})
    too_long = '{"a": ' + "9" * 400 + "}"
    spoilt = "UPDATE crons SET payload = ? WHERE cron_id = 'cron-0'"
    await engine.database.write(lambda connection: connection.execute(spoilt, (too_long,)))
    clock.moment = NOON + timedelta(minutes=1)
    await engine.cron_timer.fire_due()
    [run] = await runs_of(engine, thread_id)
    spoilt = "UPDATE runs SET kwargs = ?"
    await engine.database.write(lambda connection: connection.execute(spoilt, (too_long,)))
    clock.moment = NOON + timedelta(minutes=3)
    engine.worker.wake()
    [ended] = await until(lambda: runs_of(engine, thread_id), lambda runs: runs and not runs[0].active)
    assert (ended.run_id, ended.status, ended.error["error"]) == (run.run_id, "error", "UnreadableRun")
    assert (await engine.threads.get(thread_id, EVERYONE)).status == "error"


async def test_a_cron_is_its_owners_and_so_are_its_runs(engine: Engine, clock: HeldClock) -> None:
    made = await add_cron(engine, owner="ada", asked={"on_completion": "keep"})
    clock.moment = NOON + timedelta(minutes=1)
    await engine.cron_timer.fire_due()
    [thread] = await until(lambda: engine.threads.search(ThreadQuery(), Caller("ada")), bool)
    assert thread.owner == "ada"
    stranger = Caller("bob")
    assert await engine.crons.search(EVERY_CRON, stranger) == ([], 0)
    with pytest.raises(NotFoundError, match="not found"):
        await engine.crons.get(made.cron_id, stranger)
    with pytest.raises(NotFoundError, match="not found"):
        await engine.crons.delete(made.cron_id, stranger)
    await all_ended(engine, thread.thread_id)


def ahead_to(moment: datetime) -> str:
    return str((moment - datetime.now(UTC)).total_seconds())


@requirement("crons.fire")
def test_a_running_clock_fires_at_the_minute_and_not_only_when_somebody_looks(tmp_path: Path) -> None:
    ahead = tmp_path / "ahead"
    ahead.write_text("0")
    server = ServerProcess(tmp_path / "data", TRIAL_PROJECT, {"CLOCK_FILE": str(ahead)}, DYING)
    try:
        server.start()
        with server.client() as http:
            thread_id = http.post("/threads", json={}).json()["thread_id"]
            ahead.write_text(ahead_to(NOON.replace(year=2100) - timedelta(seconds=1.5)))
            body = {"assistant_id": "echo", "schedule": "* * * * *", "input": {"messages": "hello"}}
            made = http.post(f"/threads/{thread_id}/runs/crons", json=body).json()
            assert made["next_run_date"] == timestamp(NOON.replace(year=2100))
            run = first_run(http, thread_id)
            late = datetime.fromisoformat(run["created_at"]) - datetime.fromisoformat(made["next_run_date"])
            assert timedelta(0) <= late < timedelta(seconds=20), "it waited for something else than its time"
            print(f"fired {late.total_seconds() * 1000:.1f} ms late")  # noqa: T201 - shown with -s
            # A clock that jumps while the server waits for something far away is noticed too.
            yearly = http.post("/threads", json={}).json()["thread_id"]
            made = http.post(f"/threads/{yearly}/runs/crons", json={**body, "schedule": "0 0 1 1 *"}).json()
            ahead.write_text(ahead_to(datetime.fromisoformat(made["next_run_date"])))
            assert first_run(http, yearly)["created_at"] >= made["next_run_date"]
    finally:
        if server.process is not None:
            server.kill()


def first_run(http: httpx.Client, thread_id: str) -> dict[str, Any]:
    wait_until(lambda: bool(http.get(f"/threads/{thread_id}/runs").json()), what="the cron's run")
    run: dict[str, Any] = http.get(f"/threads/{thread_id}/runs").json()[0]
    return run


@pytest.mark.timeout(3600)
@requirement("crons.once")
def test_an_overdue_time_brings_one_run_wherever_the_process_dies(tmp_path: Path) -> None:
    ahead = tmp_path / "ahead"
    ahead.write_text("0")
    prepared = ServerProcess(tmp_path / "prepared", TRIAL_PROJECT).start()
    with prepared.client() as http:
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        body = {"assistant_id": "steps", "schedule": "0 0 1 1 *", "input": {"note": "x"}}
        assert http.post(f"/threads/{thread_id}/runs/crons", json=body).status_code == 200
    prepared.stop()
    ahead.write_text(str(timedelta(days=400).total_seconds()))
    fired_once(tmp_path, ahead, thread_id, die_at=0)
    points = int((tmp_path / "points-0").read_text())
    assert points > 10
    chosen = range(1, points + 1) if SOAK else sorted(Random(3).sample(range(1, points + 1), 3))
    for point in chosen:
        print(f"dies at point {point} of {points}")  # noqa: T201 - shown when this point fails
        fired_once(tmp_path, ahead, thread_id, die_at=point)


def fired_once(tmp_path: Path, ahead: Path, thread_id: str, *, die_at: int) -> None:
    """A server that dies at one of its commits, and one after it that does not: the cron's thread has one run."""
    data = tmp_path / f"data-{die_at}"
    shutil.copytree(tmp_path / "prepared", data)
    settings = {"CLOCK_FILE": str(ahead), "POINTS_FILE": str(tmp_path / f"points-{die_at}"), "DIE_AT": str(die_at)}
    servers = [ServerProcess(data, TRIAL_PROJECT, settings, DYING)] if die_at else []
    servers.append(ServerProcess(data, TRIAL_PROJECT, {**settings, "DIE_AT": "0"}, DYING))
    for server in servers:
        try:
            server.start()
            with server.client() as http:
                run = first_run(http, thread_id)
                http.get(f"/threads/{thread_id}/runs/{run['run_id']}/join")
                [ended] = http.get(f"/threads/{thread_id}/runs").json()
                assert ended["status"] == "success"
        except (AssertionError, httpx.HTTPError):
            exit_code = server.exit_code if server.process is None else server.ended()
            assert (exit_code, server is servers[-1]) == (137, False), server.log[-3000:]
        finally:
            if server.process is not None:
                server.kill()
