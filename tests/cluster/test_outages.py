"""The database is away for longer than anything waits for it: no run ends by that, and none is blamed for it.

The engine is in the test's own process, so that how long things wait is the test's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from langgraph.graph import START, MessagesState, StateGraph
from structlog.testing import capture_logs

from checkpoints.postgres import PostgresState
from tests.api.waiting import told, until
from tests.cluster.test_faults import closed
from tests.postgres import server_uri
from tests.runs.engines import HeldClock
from tests.runs.records import enqueue
from threadkeep.callers import EVERYONE
from threadkeep.clock import Clock, timestamp
from threadkeep.config import Config, GraphSpec
from threadkeep.config_values import Target
from threadkeep.engine import Engine, open_engine
from threadkeep.errors import UnavailableError
from threadkeep.runs.accept import RunRequest
from threadkeep.runs.leases import Leases
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.run import Run
from threadkeep.settings import Settings
from threadkeep.storage.postgres_schema import HELD_RUN

OUTAGES = 2


@dataclass
class Node:
    """A graph's only node: it tells that it was visited, and waits until it may go on."""

    visits: int = 0
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, state: MessagesState) -> dict[str, Any]:
        self.visits += 1
        await self.may_go_on.wait()
        return {"messages": [("ai", "done")]}


@asynccontextmanager
async def opened(
    folder: Path, uri: str, state_uri: str, node: Node, *, patience: float, lease: float, clock: Clock | None = None
) -> AsyncIterator[Engine]:
    """One start without progress is already too much, so that whatever counts as one shows."""
    settings = Settings(
        data_dir=folder, database_uri=uri, lease_seconds=lease, max_attempts=1, database_pool_size=4, drain_seconds=0.1
    )
    state = PostgresState(state_uri, unavailable=UnavailableError, patience_seconds=patience, held=HELD_RUN)
    graph = StateGraph(MessagesState).add_node("wait", node).add_edge(START, "wait").compile()
    config = Config(folder, {"g": GraphSpec(Target("./g.py", "graph"))})
    opening = open_engine(
        settings, config, {"g": graph}, open_saver=state.open_checkpointer, open_store=state.open_store, clock=clock
    )
    async with opening as engine:
        yield engine


async def accepted(engine: Engine) -> Callable[[], Awaitable[Run]]:
    """A run that has been accepted, as it is at the time of asking."""
    request = RunRequest("g", input={"messages": "hello"}, on_completion="keep")
    run = (await engine.acceptance.accept(request, EVERYONE, thread_id=None)).run
    return lambda: engine.queue.get(run.run_id, EVERYONE)


async def visited(node: Node, times: int) -> None:
    async def visits() -> int:
        return node.visits

    await until(visits, lambda found: found == times)


@pytest.mark.parametrize(
    ("patience", "lease", "sign"),
    [(0.3, 60.0, "run_not_released"), (30.0, 0.4, "run_lost")],
    ids=["a checkpoint waits too long", "the lease is over first"],
)
async def test_a_run_outlives_any_number_of_outages_in_the_same_node(
    patience: float, lease: float, sign: str, tmp_path: Path, postgres_uri: str
) -> None:
    node, database = Node(), urlsplit(postgres_uri).path[1:]
    with capture_logs() as logs, psycopg.connect(server_uri(), autocommit=True) as connection:
        async with opened(tmp_path, postgres_uri, postgres_uri, node, patience=patience, lease=lease) as engine:
            run = await accepted(engine)
            for outage in range(1, OUTAGES + 1):
                await visited(node, outage)
                with closed(connection, database):
                    if patience < lease:
                        node.may_go_on.set()
                    await told(logs, sign, outage)
                    node.may_go_on.clear()
            await visited(node, OUTAGES + 1)
            node.may_go_on.set()
            await until(run, lambda seen: not seen.active)
            ended = await run()
            assert (ended.status, ended.attempt, ended.failed_attempts) == ("success", OUTAGES + 1, 0)


async def test_a_run_whose_checkpoint_a_database_that_is_there_never_takes_is_parked(
    tmp_path: Path, postgres_uri: str
) -> None:
    node = Node()
    node.may_go_on.set()
    impatient = f"{postgres_uri}?options=-c%20statement_timeout%3D200"
    async with opened(tmp_path, postgres_uri, impatient, node, patience=30, lease=60) as engine:
        with psycopg.connect(postgres_uri) as connection:
            connection.execute("LOCK TABLE checkpoints IN EXCLUSIVE MODE")
            run = await accepted(engine)
            await until(run, lambda seen: not seen.active)
            ended = await run()
            assert ended.error is not None
            assert (ended.error["error"], ended.attempt) == ("PoisonRun", 2)


async def test_after_a_silence_the_others_are_heard_before_their_runs_are_taken(
    tmp_path: Path, postgres_uri: str
) -> None:
    clock = HeldClock()
    async with opened(tmp_path, postgres_uri, postgres_uri, Node(), patience=30, lease=1000, clock=clock) as engine:
        engine.worker.draining = True
        [its_own] = [task for task in asyncio.all_tasks() if task.get_name() == "leases"]
        its_own.cancel()  # or its first look, which on a slow machine comes late, finds the run below
        await asyncio.wait([its_own])
        other = RunQueue(engine.database, worker_id="other", lease_seconds=0)
        run = (await enqueue(other, "t")).run
        assert len(await other.claim(now=timestamp(clock.now()), limit=1)) == 1
        leases = Leases(engine.database, engine.queue, engine.worker, clock, engine.metrics, seconds=5)

        async def status_at(seconds: float) -> str:
            clock.seconds = seconds
            await leases.beat()
            await leases.take_over()
            return (await engine.queue.get(run.run_id, EVERYONE)).status

        # A beat that comes a lease late: the database, or this whole machine, stood still.
        assert [await status_at(seconds) for seconds in (6, 8, 10.9, 11.1)] == ["running"] * 3 + ["pending"]
