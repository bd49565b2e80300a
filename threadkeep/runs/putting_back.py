"""An attempt that cannot go on here, through no fault of its own: its run is offered again, to whoever is well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

from threadkeep.errors import ThreadkeepError, UnavailableError
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.run import Run

log = structlog.get_logger("threadkeep.runs")

T = TypeVar("T")

RETRY_SECONDS = 1.0


async def put_back(
    queue: RunQueue, run: Run, *, counts: bool, now: Callable[[], str], stopping: Callable[[], bool]
) -> None:
    """Offer the run again, however long storage is away; only a stopping server gives up (the row says why).

    What `counts` as a failed attempt does so only if storage is there at once: it may be this run that it cannot take.
    """
    waiting = False
    while True:
        try:
            return await queue.release(run, now=now(), counts=counts and not waiting)
        except ThreadkeepError as error:
            if not waiting:
                log.error("run_not_released", run_id=run.run_id, error=str(error))
            if stopping() or not isinstance(error, UnavailableError):
                return
            waiting = True
        await asyncio.sleep(RETRY_SECONDS)


async def uninterrupted(step: Coroutine[Any, Any, T]) -> T:
    """Carry a step through although somebody cancels the run meanwhile: an end is never half an end."""
    task = asyncio.ensure_future(step)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done():
                break
    return task.result()
