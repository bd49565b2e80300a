"""Who runs next: fills free places from the queue the moment there is a reason to, and stops what must stop.

It is told in memory when a run was accepted or ended; looking by itself now and then is only the safety net.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from langgraph.runtime import RunControl

from threadkeep.clock import Clock, timestamp
from threadkeep.errors import ThreadkeepError
from threadkeep.runs.execute import Executor
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.run import Run
from threadkeep.settings import Settings

log = structlog.get_logger("threadkeep.worker")

_LAST_SECONDS = 3.0
_LOOK_EVERY_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 1.0  # where a run may have been passed over because another process was at its thread


@dataclass(slots=True)
class _Running:
    run: Run
    control: RunControl
    task: asyncio.Task[None] | None = None
    """None while the run's place is only reserved."""
    started: bool = False
    stopped: bool = False
    """It was to be stopped before it had begun."""


@dataclass(slots=True)
class _Hold:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Worker:
    def __init__(self, queue: RunQueue, executor: Executor, clock: Clock, settings: Settings) -> None:
        self._queue = queue
        self._executor = executor
        self._clock = clock
        self._settings = settings
        self._running: dict[str, _Running] = {}
        self._kept_off: dict[str, _Hold] = {}
        self._reserving = threading.Lock()
        self._wanted = asyncio.Event()
        self._looked_at = ""
        self._nobody_waits = False
        """All runs that are due were started, as far as this process knows: a new one overtakes nobody."""
        self.draining = False

    def wake(self) -> None:
        """There may be something to start."""
        self._nobody_waits = False
        self._wanted.set()

    def reserve(self, run: Run) -> bool:
        """A place for a run that is being accepted, if it may start at once; `begin` it then, or `let_go` of it.

        To be asked inside the transaction that starts it: whoever keeps off runs looks at what is committed.
        """
        with self._reserving:  # transactions on PostgreSQL have threads of their own
            free = self._nobody_waits and not self.draining and run.thread_id not in self._kept_off
            if not free or self._places() <= 0 or run.graph_id in self._full_graphs():
                return False
            self._running[run.run_id] = _Running(run, RunControl())
            return True

    def begin(self, run: Run) -> None:
        """Carry out a run whose place is reserved, now that it is stored as started."""
        if self.draining:
            self.let_go(run.run_id)  # its row says that it runs: the next start takes it up
        else:
            self._start(run)

    def let_go(self, run_id: str) -> None:
        """Give back a reserved place, if there is one."""
        if (reserved := self._running.get(run_id)) is not None and reserved.task is None:
            del self._running[run_id]
            self.wake()

    def stop_run(self, run_id: str) -> None:
        """Interrupt a running attempt now; its row says what that means. A node that does not heed it is its last."""
        running = self._running.get(run_id)
        if running is None:
            return
        if running.task is None:
            running.stopped = True
        elif running.started:
            running.control.request_drain("stopped")
            running.task.cancel()
        else:
            # A task cancelled before its first step never runs, and so would never end its run.
            asyncio.get_running_loop().call_soon(self.stop_run, run_id)

    @asynccontextmanager
    async def keep_off(self, thread_id: str) -> AsyncIterator[None]:
        """Start no run on the thread while the block lasts; blocks of one thread take turns.

        Nothing that was told of the thread can be lost any more when the block begins. Whoever changes state without a
        run looks inside the block whether the thread is busy: a run that was accepted before has made it so, one that
        is accepted later waits.
        """
        hold = self._kept_off.setdefault(thread_id, _Hold())
        hold.users += 1
        try:
            async with hold.turn, self._queue.hold(thread_id):
                await self._queue.until_end_is_safe(thread_id)
                yield
        finally:
            hold.users -= 1
            if hold.users == 0:
                del self._kept_off[thread_id]
                self.wake()

    async def serve(self) -> None:
        """Start runs until cancelled."""
        self.wake()
        while True:
            try:
                await self._until_wanted()
                await self._fill()
            except ThreadkeepError as error:
                log.error("claim_failed", error=str(error))
                await asyncio.sleep(1)
                self.wake()

    async def _until_wanted(self) -> None:
        try:
            async with asyncio.timeout(await self._seconds_to_wait()):
                await self._wanted.wait()
        except TimeoutError:
            pass
        self._wanted.clear()

    async def _fill(self) -> None:
        # With a limit on each graph, one at a time, so that a limit is known before the next run is chosen.
        step = 1 if self._settings.max_runs_per_graph else self._settings.max_concurrent_runs
        self._looked_at = self._now()
        while not self.draining and (places := self._places()) > 0:
            self._looked_at = self._now()
            self._nobody_waits = True  # unless the look says otherwise, or somebody does meanwhile
            if not await self._queue.something_waits(now=self._looked_at):
                return
            self._nobody_waits = False
            claimed = await self._queue.claim(
                now=self._looked_at,
                limit=min(places, step),
                full_graphs=self._full_graphs(),
                other_than=list(self._kept_off),
            )
            for run in claimed:
                self._start(run)
            if not claimed:
                return

    def _places(self) -> int:
        return self._settings.max_concurrent_runs - len(self._running)

    def _start(self, run: Run) -> None:
        reserved = self._running.get(run.run_id)
        running = self._running[run.run_id] = _Running(run, RunControl())
        running.task = asyncio.create_task(self._carry_out(running), name=f"run {run.run_id}")
        running.task.add_done_callback(lambda task: self._ended(run.run_id, task))
        if reserved is not None and reserved.stopped:
            self.stop_run(run.run_id)

    async def _carry_out(self, running: _Running) -> None:
        running.started = True
        if await self._executor.execute(running.run, running.control) == "released":
            self.wake()  # it waits again

    def _full_graphs(self) -> list[str]:
        limit = self._settings.max_runs_per_graph
        if not limit:
            return []
        counts = Counter(running.run.graph_id for running in list(self._running.values()))
        return [graph_id for graph_id, count in counts.items() if count >= limit]

    def _ended(self, run_id: str, task: asyncio.Task[None]) -> None:
        if (running := self._running.get(run_id)) is not None and running.task is task:
            del self._running[run_id]  # else it was put back, and has been started again already
        if not task.cancelled() and (error := task.exception()) is not None:
            # The end of a run could not be stored. Its row still says running: the next start takes it up again.
            log.error("run_not_ended", run_id=run_id, exc_info=error)
        if task.cancelled() or not self._nobody_waits:  # one that was cancelled may wait again
            self.wake()

    async def _seconds_to_wait(self) -> float:
        # From the last look on: what has become due since then has not been looked at.
        due = await self._queue.next_due(now=self._looked_at)
        longest = _LOOK_EVERY_SECONDS if self._queue.worker_id is None else _LOOK_AGAIN_SECONDS
        if due is None:
            return longest
        seconds = (datetime.fromisoformat(due) - self._clock.now()).total_seconds()
        return min(max(seconds, 0.001), longest)

    async def drain(self, grace_seconds: float) -> None:
        """Start nothing more; let runs reach a super-step border within the grace, and give up on the rest."""
        self.draining = True
        for running in self._running.values():
            running.control.request_drain("shutdown")
        tasks = [running.task for running in self._running.values() if running.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_seconds)
            self._executor.stopping = True
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_LAST_SECONDS)  # who does not heed it is taken up by the next start

    def carries(self, run_id: str) -> bool:
        """Whether an attempt at the run is under way here, or about to begin."""
        return run_id in self._running

    def runs(self) -> list[Run]:
        """The attempts under way here."""
        return [running.run for running in self._running.values()]

    @property
    def running_count(self) -> int:
        return len(self._running)

    def _now(self) -> str:
        return timestamp(self._clock.now())
