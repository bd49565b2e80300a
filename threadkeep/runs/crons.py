"""Crons at work: whatever is due is accepted as a run, through the one way in that every run takes.

The run and the cron's next time are one transaction, so nothing is fired twice, whatever dies in between. A time that
passed while no server ran is fired once, at the next start; several that passed are one. A run that cannot be accepted
(its thread is busy and it would not wait, its graph is gone) is logged and that time is let pass.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import MISSING, fields
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from threadkeep.callers import EVERYONE, Caller
from threadkeep.clock import Clock, timestamp
from threadkeep.errors import InvalidError, ThreadkeepError, UnavailableError
from threadkeep.runs.accept import Acceptance, RunRequest
from threadkeep.runs.schedule import next_due
from threadkeep.storage.crons import Cron, CronMovedOnError, Crons, mark_fired

log = structlog.get_logger("threadkeep.crons")

_TOGETHER = 50
_RETRY_SECONDS = 1.0
# A wall clock that jumps is noticed after this at the latest; nothing is read from the disk for it.
_LONGEST_SLEEP_SECONDS = 5.0


class CronTimer:
    def __init__(self, crons: Crons, acceptance: Acceptance, clock: Clock) -> None:
        self._crons = crons
        self._acceptance = acceptance
        self._clock = clock
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Some cron's next time may have changed."""
        self._changed.set()

    async def serve(self) -> None:
        """Fire what is due, when it is due, until cancelled."""
        while True:
            try:
                await self.fire_due()
                await self._until(await self._crons.next_time())
            except ThreadkeepError as error:
                log.error("crons_waiting", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _until(self, due: str | None) -> None:
        """Return at that time, or when something has changed."""
        while not self._changed.is_set() and (seconds := self._seconds_to(due)) > 0:
            try:
                async with asyncio.timeout(min(seconds, _LONGEST_SLEEP_SECONDS)):
                    await self._changed.wait()
            except TimeoutError:
                pass
        self._changed.clear()

    def _seconds_to(self, due: str | None) -> float:
        if due is None:
            return _LONGEST_SLEEP_SECONDS
        return (datetime.fromisoformat(due) - self._clock.now()).total_seconds()

    async def fire_due(self) -> None:
        """Accept a run for every cron whose time has come; raises `UnavailableError` when none can be accepted now."""
        while crons := await self._crons.due(now=timestamp(self._clock.now()), limit=_TOGETHER):
            fired = await asyncio.gather(*(self._fire(cron) for cron in crons), return_exceptions=True)
            for cron, problem in zip(crons, fired, strict=True):
                await self._settle(cron, problem)

    async def _fire(self, cron: Cron) -> None:
        request = RunRequest(**cron.payload, cron_id=cron.cron_id)
        moved_on = partial(mark_fired, cron=cron, following=self._following(cron))
        accepted = await self._acceptance.accept(
            request, _caller(cron), thread_id=cron.thread_id, together_with=moved_on
        )
        log.info("cron_fired", cron_id=cron.cron_id, run_id=accepted.run.run_id, due=cron.next_run_date)

    async def _settle(self, cron: Cron, problem: BaseException | None) -> None:
        """A time that brought no run is let pass, unless it is only too early to say so."""
        match problem:
            case None | CronMovedOnError():
                return
            case UnavailableError() | asyncio.CancelledError():
                raise problem
        log.warning("cron_skipped", cron_id=cron.cron_id, due=cron.next_run_date, error=str(problem))
        with suppress(CronMovedOnError):  # it was changed or deleted meanwhile
            await self._crons.skip(cron, self._following(cron))

    def _following(self, cron: Cron) -> str | None:
        try:
            return following(cron, self._clock.now())
        except InvalidError as error:
            log.error("cron_stopped", cron_id=cron.cron_id, error=str(error))  # this machine lacks its time zone
            return None


def _caller(cron: Cron) -> Caller:
    """Whoever made it, as far as that is known."""
    return EVERYONE if cron.owner is None else Caller(cron.owner, cron.owner, user={"identity": cron.owner})


def following(cron: Cron, moment: datetime) -> str | None:
    """A cron's next time past `moment` (and past the one it has, if that is later); None when it rests or is over."""
    if not cron.enabled:
        return None
    end = None if cron.end_time is None else datetime.fromisoformat(cron.end_time)
    if cron.next_run_date is not None:
        moment = max(moment, datetime.fromisoformat(cron.next_run_date))
    due = next_due(cron.schedule, cron.timezone, after=moment, end=end)
    return None if due is None else timestamp(due)


def payload_of(request: RunRequest) -> dict[str, Any]:
    """What a cron keeps of a request: the fields that say something; `RunRequest(**payload)` is the request again."""
    return {item.name: value for item in fields(request) if (value := getattr(request, item.name)) != _default(item)}


def _default(item: Any) -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default
