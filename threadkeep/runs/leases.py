"""Who runs what when several processes share a queue: each claim is for a time, and whoever lives on says so.

A process that dies, or stands still, says nothing more; its runs are offered to the others when its lease is over, by
the database's clock. One that comes back after that has lost them: the attempt in a run's row is not its own any more,
so whatever it still stores of its end or its events is refused. Under SQLite a data folder has one process; nothing of
this is needed there, and what was running at a start is simply taken up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from threadkeep import json
from threadkeep.clock import Clock, timestamp
from threadkeep.errors import ThreadkeepError
from threadkeep.metrics import Metrics
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.worker import Worker
from threadkeep.storage.connection import Connection
from threadkeep.storage.database import Database

log = structlog.get_logger("threadkeep.leases")

_BEATS_A_LEASE = 4


@dataclass(frozen=True, slots=True)
class Held:
    run_id: str
    attempt: int


class Leases:
    """The heartbeat of one process's runs, and its eye on everybody else's."""

    def __init__(
        self, database: Database, queue: RunQueue, worker: Worker, clock: Clock, metrics: Metrics, *, seconds: float
    ) -> None:
        self._database = database
        self._queue = queue
        self._worker = worker
        self._clock = clock
        self._metrics = metrics
        self._seconds = seconds
        self._believed_until = clock.monotonic() + seconds
        self._hearing_until = 0.0
        self._given_up: set[Held] = set()
        """What was stopped, and waits for the database to be put back."""

    async def serve(self) -> None:
        """Beat until cancelled. While the database cannot be reached for as long as a lease is, give up the runs."""
        while True:
            try:
                await self.beat()
                await self.take_over()
            except ThreadkeepError as error:
                log.error("heartbeat_failed", error=str(error))
                self._hear_the_others()
                if self._clock.monotonic() >= self._believed_until:
                    self._give_up(self._held(), "no heartbeat was stored in time")
            await asyncio.sleep(self._seconds / _BEATS_A_LEASE)

    async def beat(self) -> None:
        """Prolong what this process runs; an attempt that turns out to be another process's by now is stopped."""
        since = self._clock.monotonic()
        held = self._held()
        if held:
            lost = await self._database.write(self._prolong(held), durable=False)
            self._give_up(lost, "another process has taken it over")
        else:
            await self._database.read_one("SELECT 1")
        if self._clock.monotonic() >= self._believed_until:
            self._hear_the_others()
        self._believed_until = since + self._seconds

    async def take_over(self) -> None:
        """Offer again whatever a process that says nothing any more has left running."""
        if self._clock.monotonic() < self._hearing_until:
            return
        rescued = await self._queue.rescue(now=timestamp(self._clock.now()))
        if rescued:
            self._metrics.runs_rescued(rescued)
            log.warning("runs_taken_over", runs=rescued)
            self._worker.wake()

    def _hear_the_others(self) -> None:
        """Where this process could not say that it lives, nor could others: they have a lease's time to put back what
        they had to stop, which does not count as a failed attempt then."""
        self._hearing_until = self._clock.monotonic() + self._seconds

    def _held(self) -> list[Held]:
        return [Held(run.run_id, run.attempt) for run in self._worker.runs()]

    def _give_up(self, lost: list[Held], reason: str) -> None:
        given_up = set(lost) - self._given_up
        self._given_up = (self._given_up | given_up) & set(self._held())
        for held in given_up:
            log.warning("run_lost", run_id=held.run_id, attempt=held.attempt, reason=reason)
            self._worker.stop_run(held.run_id)

    def _prolong(self, held: list[Held]) -> Callable[[Connection], list[Held]]:
        worker, seconds = self._queue.worker_id, self._seconds
        ids = json.dumps_text([one.run_id for one in held])

        def work(connection: Connection) -> list[Held]:
            connection.execute(
                """UPDATE runs SET lease_until = clock_timestamp() + ? * interval '1 second'
                   WHERE worker = ? AND status = 'running' AND run_id IN (SELECT value FROM json_each(?))""",
                (seconds, worker, ids),
            )
            rows = connection.execute(
                """SELECT run_id, attempt, coalesce(worker = ?, FALSE) FROM runs
                   WHERE status IN ('pending', 'running') AND run_id IN (SELECT value FROM json_each(?))""",
                (worker, ids),
            ).fetchall()
            # One that has ended meanwhile is not lost.
            now = {run_id: (attempt, own) for run_id, attempt, own in rows}
            return [one for one in held if one.run_id in now and now[one.run_id] != (one.attempt, True)]

        return work
