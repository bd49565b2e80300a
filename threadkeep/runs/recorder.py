"""Traces of runs: what a `Recording` saw, made into rows and stored beside the run, never in its way.

Rows are made and written after the fact, in the background: at a run's end, and in between when many have come. Keys
and passwords are masked. What cannot be stored is dropped and said in the log; no run fails of it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import structlog

from threadkeep import json
from threadkeep.clock import Clock, timestamp
from threadkeep.errors import ThreadkeepError, said_by
from threadkeep.masking import Mask
from threadkeep.runs.prices import ModelCall, Prices
from threadkeep.runs.recording import Recording, Seen
from threadkeep.runs.run import Run
from threadkeep.settings import Settings
from threadkeep.storage.traces import Span, Traces

log = structlog.get_logger("threadkeep.traces")

_FEW = 20
"""So many messages are written out faster than a thread is asked to."""
_LONGEST = 1_000_000
"""What is longer, as JSON, is kept in part: an image, a whole book."""
_BEGINNING = 2_000


class Recorder:
    def __init__(self, traces: Traces, prices: Prices, mask: Mask, clock: Clock, settings: Settings) -> None:
        self._traces = traces
        self._prices = prices
        self._mask = mask
        self._clock = clock
        self.mode = settings.traces
        self._live: dict[str, Recording] = {}
        self._writing: dict[str, set[asyncio.Task[None]]] = {}

    @contextmanager
    def recording(self, run: Run) -> Iterator[Recording | None]:
        """What to hang on an attempt; None when nothing is to be kept of it."""
        if self.mode == "off" or run.kwargs.temporary:  # the thread, and the trace with it, would be gone at once
            yield None
            return
        loop = asyncio.get_running_loop()
        # Called from whichever thread a node runs in.
        recording = Recording(run, self._clock, lambda: loop.call_soon_threadsafe(self._write_soon, recording))
        self._live[run.run_id] = recording
        try:
            yield recording
        finally:
            recording.close()
            self._write_soon(recording)
            del self._live[run.run_id]

    async def of_run(self, run: Run) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """The run's trace up to now: its spans, and as JSON, by their hashes, the contents that these refer to."""
        live = self._live.get(run.run_id)
        if live is not None:
            self._write_soon(live)
        await asyncio.gather(*self._writing.get(run.run_id, ()), return_exceptions=True)
        spans, contents = await self._traces.of_run(run.run_id, run.thread_id)
        if live is not None:
            making = _Rows(live, self._mask, full=self.mode == "full")
            spans += [making.data(seen, None) for seen in live.under_way()]
            contents.update(making.contents)
        return spans, contents

    async def close(self) -> None:
        """Return when all that was seen is stored."""
        while self._writing:
            tasks = [task for tasks in self._writing.values() for task in tasks]
            await asyncio.gather(*tasks, return_exceptions=True)

    def _write_soon(self, recording: Recording) -> None:
        taken = recording.take()
        if not taken:
            return
        run_id = recording.run.run_id
        tasks = self._writing.setdefault(run_id, set())
        task = asyncio.create_task(self._write(recording, taken))
        tasks.add(task)

        def done(_: asyncio.Task[None]) -> None:
            tasks.discard(task)
            if not tasks:
                self._writing.pop(run_id, None)

        task.add_done_callback(done)

    async def _write(self, recording: Recording, taken: list[Seen]) -> None:
        run = recording.run
        costs = await self._prices.of([_call(seen) for seen in taken])
        making = _Rows(recording, self._mask, full=self.mode == "full")
        few = sum(len(seen.sent) for seen in taken) <= _FEW
        spans = making.spans(taken, costs) if few else await asyncio.to_thread(making.spans, taken, costs)
        try:
            await self._traces.store(run.thread_id, run.run_id, run.owner, spans, making.contents)
        except ThreadkeepError as error:
            log.warning("trace_not_stored", run_id=run.run_id, error=str(error))


class _Rows:
    """The rows of some spans; `contents` fills as they are made."""

    def __init__(self, recording: Recording, mask: Mask, *, full: bool) -> None:
        self._recording = recording
        self._mask = mask
        self._full = full
        self._named: dict[bytes, str] = {}
        self.contents: dict[str, str] = {}

    def spans(self, taken: Sequence[Seen], costs: Sequence[float | None]) -> list[Span]:
        made = []
        for seen, cost in zip(taken, costs, strict=True):
            data = self.data(seen, cost)
            made.append(Span(seen.span_id, data["started_at"], json.dumps_text(data)))
        return made

    def data(self, seen: Seen, cost: float | None) -> dict[str, Any]:
        began = self._recording.began
        data: dict[str, Any] = {
            "span_id": seen.span_id,
            "parent_id": seen.parent_id,
            "kind": seen.kind,
            "name": seen.name,
            "attempt": self._recording.run.attempt,
            "step": seen.step,
            "started_at": timestamp(self._recording.started + timedelta(seconds=seen.began - began)),
            "seconds": None if seen.ended is None else round(seen.ended - seen.began, 6),
            "outcome": seen.outcome or "running",
            "error": self._error(seen),
        }
        if seen.kind == "model":
            first = None if seen.first_token is None else round(seen.first_token - seen.began, 6)
            data |= {"provider": seen.provider, "first_after_seconds": first, "usage": seen.usage, "cost_usd": cost}
        if seen.kind != "node" and self._full:
            data["sent"] = [self._kept(one) for one in seen.sent]
            data["parameters"] = None if seen.parameters is None else self._kept(seen.parameters)
            data["answer"] = None if seen.answer is None else self._kept(seen.answer)
        return data

    def _error(self, seen: Seen) -> dict[str, str] | None:
        if seen.error is None:
            return None
        told = {"message": self._mask(said_by(seen.error))} if self._full else {}
        return {"error": type(seen.error).__name__, **told}

    def _kept(self, content: Any) -> str:
        """The hash under which it is kept; what comes again is not masked again."""
        try:
            plain = json.dumps(content)
        except (TypeError, ValueError, RecursionError) as error:
            plain = json.dumps({"unreadable": type(content).__name__, "because": str(error)})
        raw = hashlib.sha256(plain).digest()
        if raw not in self._named:
            text = _cut(_masked(plain.decode(), self._mask))
            name = self._named[raw] = hashlib.sha256(text.encode()).hexdigest()[:32]
            self.contents[name] = text
        return self._named[raw]


def _call(seen: Seen) -> ModelCall:
    return ModelCall(seen.provider, seen.name, seen.usage if seen.kind == "model" else None)


def _masked(text: str, mask: Mask) -> str:
    masked = mask(text)
    if masked == text:
        return text
    try:
        json.loads(masked)
    except ValueError:  # a secret that is a number, for one
        return json.dumps_text(masked)
    return masked


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return json.dumps_text({"cut": True, "characters": len(text), "begins": text[:_BEGINNING]})
