"""What is remembered of threads in use takes no more memory than it may, and as much as it says."""

import gc
import tracemalloc
from pathlib import Path

import pytest

from checkpoints.hot import HotNamespace, HotThreads
from tests.checkpoints.conftest import opened
from tests.checkpoints.program import build
from tests.checkpoints.reference import configured


@pytest.mark.parametrize(("threads", "messages", "reads"), [(200, 2, 0), (200, 2, 1), (10, 300, 0), (10, 300, 2)])
async def test_what_is_remembered_weighs_what_it_takes(tmp_path: Path, threads: int, messages: int, reads: int) -> None:
    async with opened(tmp_path / "checkpoints.db") as saver:
        graph = build(saver)
        await graph.ainvoke({"script": [["say_many", messages]]}, configured("warm"))
        before = saver._file.hot.weight
        gc.collect()
        tracemalloc.start()
        try:
            for thread in range(threads):
                await graph.ainvoke({"script": [["say_many", messages]]}, configured(f"t{thread}"))
                for _ in range(reads):
                    await graph.aget_state(configured(f"t{thread}"))
            await saver.flush()
            gc.collect()
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        weighed = saver._file.hot.weight - before
    assert weighed / 1.5 < taken < weighed * 1.5


def test_however_little_they_weigh_only_so_many_threads_are_remembered() -> None:
    hot = HotThreads(64_000_000, most=100)
    for thread in range(1_000):
        hot.keep(HotNamespace(thread, f"t{thread}", "", newest_id="", stored=True))
    assert len(hot) == 100
    assert hot.get("t899", "") is None
    assert hot.get("t900", "") is not None


def test_what_weighs_too_much_makes_the_longest_unused_go() -> None:
    hot = HotThreads(100_000)
    for thread in range(1_000):
        hot.keep(HotNamespace(thread, f"t{thread}", "", newest_id="", stored=True))
        assert hot.weight <= 100_000
        assert hot.get("t0", "") is not None  # it was used all along
