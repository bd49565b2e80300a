"""Runs and threads for tests of the queue: only what a test is about is said."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from threadkeep.callers import EVERYONE
from threadkeep.runs.queue import Accepted, RunQueue
from threadkeep.runs.run import Run, RunKwargs
from threadkeep.storage.thread_rows import Thread

EARLIER = "2025-12-31T23:00:00.000000+00:00"
NOW = "2026-01-01T00:00:00.000000+00:00"
LATER = "2026-01-01T00:00:10.000000+00:00"


def new_run(thread_id: str, **given: Any) -> Run:
    fields = {"assistant_id": "a", "graph_id": "g", "kwargs": RunKwargs(), "created_at": NOW, **given}
    return Run(run_id=str(uuid4()), thread_id=thread_id, **fields)


async def enqueue(queue: RunQueue, thread_id: str, **given: Any) -> Accepted:
    """Accept a run, making its thread if need be."""
    run = new_run(thread_id, **given)
    return await queue.enqueue(run, EVERYONE, new_thread=Thread(thread_id, NOW))
