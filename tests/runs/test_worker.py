"""When the worker looks for runs to start."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from tests.api.waiting import until
from tests.runs.engines import HeldClock, opened
from threadkeep.callers import EVERYONE
from threadkeep.runs.accept import RunRequest
from threadkeep.runs.run import Run


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
