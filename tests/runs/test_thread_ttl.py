"""Threads past their time to live: gone, or without their past, by the clock that everything else goes by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from langgraph.graph import START, MessagesState, StateGraph

from checkpoints import open_checkpointer, open_store
from tests.api_requirements import requirement
from threadkeep.callers import EVERYONE
from threadkeep.config import Config, GraphSpec
from threadkeep.config_values import Target
from threadkeep.engine import Engine, open_engine
from threadkeep.errors import ConflictError, NotFoundError, UnavailableError
from threadkeep.runs.accept import AcceptedRun, RunRequest
from threadkeep.settings import Settings
from threadkeep.storage_config import CheckpointerConfig, ThreadTtl

THREAD = "00000000-0000-4000-8000-00000000000"


class HeldClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, minutes: float) -> None:
        self.moment += timedelta(minutes=minutes)
        self.seconds += minutes * 60


@asynccontextmanager
async def opened(tmp_path: Path, clock: HeldClock, ttl: ThreadTtl) -> AsyncIterator[Engine]:
    graph = StateGraph(MessagesState).add_node("a", lambda state: {"messages": ["a"]}).add_edge(START, "a").compile()
    config = Config(tmp_path, {"g": GraphSpec(Target("./g.py", "graph"))}, checkpointer=CheckpointerConfig(ttl=ttl))
    async with open_engine(
        Settings(data_dir=tmp_path / "data"),
        config,
        {"g": graph},
        open_saver=open_checkpointer,
        open_store=open_store,
        clock=clock,
    ) as engine:
        yield engine


async def run_on(engine: Engine, thread_id: str) -> None:
    request = RunRequest("g", input={"messages": "hello"}, if_not_exists="create")
    accepted = await engine.acceptance.accept(request, EVERYONE, thread_id=thread_id, listen=True)
    assert accepted.events is not None
    async with asyncio.timeout(30):
        async for _ in accepted.events:
            pass


async def checkpoints_of(engine: Engine, thread_id: str) -> int:
    config: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
    return len([one async for one in engine.saver.alist(config)])


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@requirement("threads.ttl.enforced")
async def test_a_thread_past_its_time_is_removed_with_its_state_and_a_used_one_lives_on(
    tmp_path: Path, clock: HeldClock
) -> None:
    async with opened(tmp_path, clock, ThreadTtl("delete", 60.0)) as engine:
        for number in (1, 2):
            await run_on(engine, f"{THREAD}{number}")
        clock.pass_by(40)
        await run_on(engine, f"{THREAD}2")
        clock.pass_by(40)
        await engine.sweep.once()
        with pytest.raises(NotFoundError):
            await engine.threads.get(f"{THREAD}1", EVERYONE)
        assert await checkpoints_of(engine, f"{THREAD}1") == 0
        assert (await engine.threads.get(f"{THREAD}2", EVERYONE)).status == "idle"
        assert await checkpoints_of(engine, f"{THREAD}2") > 1


@requirement("threads.ttl.enforced")
async def test_with_keep_latest_only_the_past_goes(tmp_path: Path, clock: HeldClock) -> None:
    async with opened(tmp_path, clock, ThreadTtl("keep_latest", 60.0)) as engine:
        await run_on(engine, f"{THREAD}1")
        clock.pass_by(61)
        await engine.sweep.once()
        assert (await engine.threads.get(f"{THREAD}1", EVERYONE)).expires_at is None
        assert await checkpoints_of(engine, f"{THREAD}1") == 1
        await run_on(engine, f"{THREAD}1")
        assert (await engine.threads.get(f"{THREAD}1", EVERYONE)).expires_at is not None


async def test_a_sweep_that_failed_is_made_up_for_by_the_next(tmp_path: Path, clock: HeldClock) -> None:
    async with opened(tmp_path, clock, ThreadTtl("delete", 1.0, sweep_interval=60.0)) as engine:
        await run_on(engine, f"{THREAD}1")
        clock.pass_by(61)
        scans = engine.database._scans  # type: ignore[attr-defined]
        scans._stopping = True
        with pytest.raises(UnavailableError):
            await engine.sweep.once()
        scans._stopping = False
        await engine.sweep.once()
        assert not await exists(engine, f"{THREAD}1")


async def test_threads_are_swept_as_often_and_as_many_as_configured(tmp_path: Path, clock: HeldClock) -> None:
    async with opened(tmp_path, clock, ThreadTtl("delete", 1.0, sweep_interval=10.0, sweep_limit=2)) as engine:
        for number in range(5):
            await run_on(engine, f"{THREAD}{number}")
        left = []
        for _ in range(5):
            clock.pass_by(5)
            await engine.sweep.once()
            left.append(sum([await exists(engine, f"{THREAD}{number}") for number in range(5)]))
        assert left == [5, 3, 3, 1, 1]


@requirement("threads.ttl.race")
async def test_a_run_that_comes_as_its_thread_expires_is_refused_or_finished_never_lost(
    tmp_path: Path, clock: HeldClock
) -> None:
    async with opened(tmp_path, clock, ThreadTtl("delete", 60.0)) as engine:
        threads = [str(uuid4()) for _ in range(60)]
        for thread_id in threads:
            await run_on(engine, thread_id)
        clock.pass_by(61)

        async def again(thread_id: str) -> AcceptedRun | None:
            while await exists(engine, threads[0]):  # noqa: ASYNC110 - until the sweep is under way, which tells nobody
                await asyncio.sleep(0)
            request = RunRequest("g", input={"messages": "again"})
            try:
                return await engine.acceptance.accept(request, EVERYONE, thread_id=thread_id, listen=True)
            except (NotFoundError, ConflictError):
                return None

        async with asyncio.timeout(60):
            _, *accepted = await asyncio.gather(engine.sweep.once(), *map(again, threads))
            for run in filter(None, accepted):
                assert run.events is not None
                _ = [event async for event in run.events]
                assert (await engine.queue.get(run.run.run_id, EVERYONE)).status == "success"
        present = {thread_id for thread_id in threads if await exists(engine, thread_id)}
        assert present == {run.run.thread_id for run in accepted if run is not None}
        assert [thread_id for thread_id in set(threads) - present if await checkpoints_of(engine, thread_id)] == []


async def test_a_thread_for_one_run_goes_with_it_whatever_is_configured(tmp_path: Path, clock: HeldClock) -> None:
    async with opened(tmp_path, clock, ThreadTtl("keep_latest", 60.0, sweep_interval=600.0)) as engine:
        request = RunRequest("g", input={"messages": "hello"}, stream_resumable=True)
        accepted = await engine.acceptance.accept(request, EVERYONE, thread_id=None, listen=True)
        assert accepted.events is not None
        async for _ in accepted.events:
            pass
        assert await exists(engine, accepted.run.thread_id)
        clock.pass_by(3)
        await engine.sweep.once()
        assert not await exists(engine, accepted.run.thread_id)


async def exists(engine: Engine, thread_id: str) -> bool:
    try:
        await engine.threads.get(thread_id, EVERYONE)
    except NotFoundError:
        return False
    return True
