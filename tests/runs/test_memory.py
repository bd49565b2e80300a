"""What ends is let go: no object of ours is left of a run but what a bounded cache keeps of its thread."""

from __future__ import annotations

import gc
from collections import Counter
from pathlib import Path

from tests.api.waiting import until_true
from tests.runs.engines import HeldClock, opened
from threadkeep.callers import EVERYONE
from threadkeep.engine import Engine
from threadkeep.runs.accept import RunRequest

_BOUNDED = ("checkpoints.hot", "checkpoints.blocks", "checkpoints.rows")
"""What is remembered of threads in use; `tests/checkpoints/test_hot_memory.py` holds its bounds."""


async def test_no_object_of_ours_is_left_of_runs_that_ended(tmp_path: Path) -> None:
    async with opened(tmp_path, HeldClock()) as engine:
        await runs_that_end(engine, 50)
        before = objects_of_ours()
        await runs_that_end(engine, 100)
        assert objects_of_ours() == before


async def runs_that_end(engine: Engine, count: int) -> None:
    """Each on a thread of its own, some with a reader of their streams."""
    for number in range(count):
        request = RunRequest("g", {"messages": [("user", "hello")]}, on_completion="keep", stream_mode=["messages"])
        accepted = await engine.acceptance.accept(request, EVERYONE, thread_id=None, listen=number % 2 == 0)
        assert accepted.stream is not None
        if accepted.events is not None:
            async for _ in accepted.events:
                pass
        await accepted.stream.until_over()
    await until_true(lambda: engine.worker.running_count == 0)
    await engine.recorder.close()


def objects_of_ours() -> Counter[str]:
    gc.collect()
    names = (f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
    return Counter(
        name for name in names if name.startswith(("threadkeep.", "checkpoints.")) and not name.startswith(_BOUNDED)
    )
