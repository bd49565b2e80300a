"""A disk that refuses a sync and then says that all is well: nothing that hung on it is told before the next start."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from tests.api.waiting import told
from tests.runs.power_cut import World, accepted, answered
from threadkeep.api.meta import not_ready_because
from threadkeep.callers import EVERYONE
from threadkeep.errors import UnavailableError
from threadkeep.runs.accept import RunRequest


@pytest.mark.fault(11)
async def test_an_end_whose_checkpoints_the_disk_refused_is_told_by_the_next_start_and_no_node_runs_twice(
    world: World,
) -> None:
    with capture_logs() as logs:
        async with world.opened(drain_seconds=0.1) as engine:
            thread_id = (await answered(engine, "hello")).run.thread_id
            assert await not_ready_because(engine) == []
            world.refuses = "checkpoints.db-wal"
            run = await accepted(engine, "again", thread_id)
            assert run.stream is not None
            await told(logs, "end_not_stored", 2)
            assert not run.stream.ended
            assert ["start the server again" in reason for reason in await not_ready_because(engine)] == [True]
    async with world.opened(world.folder / "data") as engine:
        async with asyncio.timeout(30):
            stream = await engine.event_log.open(run.run.run_id, resumable=False)
            assert await stream.until_over()
        assert (await engine.queue.get(run.run.run_id, EVERYONE)).status == "success"
        assert await not_ready_because(engine) == []
    assert world.visits == ["hello", "again"]


@pytest.mark.fault(11)
async def test_nothing_is_accepted_once_the_disk_has_refused_it(world: World) -> None:
    async with world.opened(drain_seconds=0.1) as engine:
        await answered(engine, "hello")
        world.refuses = "server.db-wal"
        request = RunRequest("g", input={"messages": "again"}, if_not_exists="create")
        for _ in range(2):
            with pytest.raises(UnavailableError, match="start the server again"):
                await engine.acceptance.accept(request, EVERYONE, thread_id=str(uuid4()))
        assert ["start the server again" in reason for reason in await not_ready_because(engine)] == [True]
