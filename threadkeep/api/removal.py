"""How a thread or a run goes: it is stopped, then its checkpoints, rows and events are removed, whatever crashes.

Where a thread stands after one of its runs was removed is what is left of it: its newest state and newest run.
"""

from __future__ import annotations

from threadkeep.api.states import state_known
from threadkeep.callers import EVERYONE, Caller
from threadkeep.engine import Engine
from threadkeep.errors import NotFoundError
from threadkeep.runs.run import Run
from threadkeep.storage.thread_rows import Thread

_ALL = 1000


async def stop_runs(engine: Engine, thread: Thread, caller: Caller) -> None:
    """Return when none of the thread's runs is active any more."""
    for status in ("pending", "running"):
        for run in await engine.queue.list_runs(thread.thread_id, caller, limit=_ALL, status=status):
            stream = await engine.event_log.of(run.run_id, resumable=run.kwargs.stream_resumable)
            await engine.acceptance.cancel(run, "interrupt")
            if stream is not None:
                await stream.until_over()


async def remove_thread(engine: Engine, thread: Thread, caller: Caller) -> None:
    await engine.cleanup.decide_deletion(thread.thread_id)
    await stop_runs(engine, thread, caller)
    async with engine.worker.keep_off(thread.thread_id):
        await engine.cleanup.finish_thread(thread.thread_id)


async def remove_run(engine: Engine, run: Run) -> None:
    """Stop the run if it is active, and remove it with its checkpoints."""
    stream = await engine.event_log.of(run.run_id, resumable=run.kwargs.stream_resumable)
    if await engine.acceptance.cancel(run, "interrupt") and stream is not None:
        await stream.until_over()
    async with engine.worker.keep_off(run.thread_id):
        newest = await engine.queue.list_runs(run.thread_id, EVERYONE, limit=1)
        await engine.queue.delete(run, now=engine.now())
        await engine.cleanup.undo_runs(run.thread_id)
        if newest and newest[0].run_id == run.run_id:
            await _settle(engine, run.thread_id)


async def _settle(engine: Engine, thread_id: str) -> None:
    try:
        thread = await engine.threads.get(thread_id, EVERYONE)
    except NotFoundError:  # it was the run's own and went with it
        return
    state = await state_known(engine, thread)
    left = await engine.queue.list_runs(thread_id, EVERYONE, limit=1)
    failure = left[0].error if left and left[0].status in ("error", "timeout") else None
    await engine.threads.note_state(
        thread_id,
        now=engine.now(),
        status="error" if failure else "interrupted" if state.next else "idle",
        interrupts=state.interrupts,
        graph_id=thread.graph_id,
        error=failure,
    )
