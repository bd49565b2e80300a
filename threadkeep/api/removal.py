"""How a thread goes: its runs are stopped, then its checkpoints, runs and events are removed, whatever crashes."""

from __future__ import annotations

from threadkeep.callers import Caller
from threadkeep.engine import Engine
from threadkeep.storage.threads import Thread

_ALL = 1000


async def stop_runs(engine: Engine, thread: Thread, caller: Caller) -> None:
    """Return when none of the thread's runs is active any more."""
    for status in ("pending", "running"):
        for run in await engine.queue.list_runs(thread.thread_id, caller, limit=_ALL, status=status):
            stream = engine.event_log.live(run.run_id)
            await engine.acceptance.cancel(run, "interrupt")
            if stream is not None:
                await stream.until_over()


async def remove_thread(engine: Engine, thread: Thread, caller: Caller) -> None:
    await stop_runs(engine, thread, caller)
    await engine.cleanup.delete_thread(thread.thread_id)
