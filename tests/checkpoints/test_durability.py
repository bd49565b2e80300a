"""What was acknowledged is there after `kill -9`, and what was flushed is there after the power went."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
from langchain_core.messages import HumanMessage

from checkpoints.disk import DiskRefusedError
from tests.checkpoints.conftest import opened
from tests.checkpoints.power import ForgetfulDisk
from tests.checkpoints.program import build
from tests.checkpoints.reference import configured

TRIALS = 40 if os.environ.get("SOAK") else 4

WRITER = """
import asyncio, pathlib, sys
from tests.checkpoints.conftest import opened
from tests.checkpoints.program import build
from tests.checkpoints.reference import configured

async def client(graph, saver, thread):
    for turn in range(10_000):
        script = [["say", turn], ["log", turn], ["edit", turn], ["note", turn]]
        await graph.ainvoke({"script": script}, configured(thread))
        if turn % 2:
            await saver.flush()
        print(thread, await saver.alatest_checkpoint_id(thread), flush=True)

async def main():
    async with opened(pathlib.Path(sys.argv[1]), wal_pages=200) as saver:
        graph = build(saver)
        await asyncio.gather(*(client(graph, saver, f"t{n}") for n in range(6)))

asyncio.run(main())
"""


@pytest.mark.parametrize("trial", range(TRIALS))
async def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path, trial: int) -> None:
    path = tmp_path / "checkpoints.db"
    chance = random.Random(trial)
    acknowledged = await asyncio.to_thread(killed_after, path, chance.randrange(20, 150))
    async with opened(path) as saver:
        graph = build(saver)
        for thread, checkpoint_id in acknowledged.items():
            await whole(saver, graph, thread, checkpoint_id)
        assert sound(saver)
        await saver.adelete_threads(list(acknowledged))


def killed_after(path: Path, lines: int) -> dict[str, str]:
    """Start the writer, kill it after so many acknowledgements, and return the last of each thread."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged: dict[str, str] = {}
    for number, line in enumerate(process.stdout):
        if number == lines:
            process.send_signal(signal.SIGKILL)
        if line.endswith("\n"):
            thread, checkpoint_id = line.split()
            acknowledged[thread] = checkpoint_id
    assert process.wait(30) == -signal.SIGKILL
    process.stdout.close()
    return acknowledged


async def whole(saver: Any, graph: Any, thread: str, checkpoint_id: str) -> None:
    """The checkpoint is there, all of its history can be read, and the thread takes another turn."""
    assert await saver.aget_tuple(configured(thread, checkpoint_id=checkpoint_id)) is not None
    before = (await graph.aget_state(configured(thread, checkpoint_id=checkpoint_id))).values["messages"]
    assert all(isinstance(one, HumanMessage) or one.id for one in before)
    assert len([one async for one in graph.aget_state_history(configured(thread))]) > 0
    await graph.ainvoke({"script": [["say", 100_001]]}, configured(thread))
    after = (await graph.aget_state(configured(thread))).values["messages"]
    assert after[-1].id == "m100001"


def sound(saver: Any) -> bool:
    """SQLite finds no fault, and no row refers to a body that is not there."""
    connection = saver._file.journal.writer
    dangling = "SELECT count(*) FROM {0} LEFT JOIN body ON body.id = {0}.body WHERE body.id IS NULL"
    return (
        connection.pragma("integrity_check") == "ok"
        and connection.execute(dangling.format("entry")).get == 0
        and connection.execute(dangling.format("block")).get == 0
    )


@pytest.mark.parametrize("trial", range(TRIALS * 3))
async def test_nothing_flushed_is_lost_when_the_power_goes(tmp_path: Path, trial: int) -> None:
    chance = random.Random(trial)
    disk = ForgetfulDisk(f"forgetful-{trial}")
    path = tmp_path / "checkpoints.db"
    flushed: dict[str, str] = {}
    pages = chance.choice([20, 100, 4_000])
    sync = lambda: disk.sync("checkpoints.db-wal")  # noqa: E731
    async with opened(path, vfs=disk.name, sync_wal=sync, wal_pages=pages) as saver:
        graph = build(saver)
        for turn in range(chance.randrange(5, 40)):
            thread = f"t{chance.randrange(3)}"
            script = [["say_many", chance.randrange(200)], ["log", turn], ["edit", turn], ["delta", turn]]
            await graph.ainvoke({"script": script}, configured(thread))
            if chance.random() < 0.2:
                await saver.aprune([thread])
            if chance.random() < 0.5:
                newest = {one: await saver.alatest_checkpoint_id(one) for one in ("t0", "t1", "t2")}
                await saver.flush()
                flushed = {one: id for one, id in newest.items() if id is not None}
        disk.after_power_cut(tmp_path / "after", chance)
    async with opened(tmp_path / "after" / "checkpoints.db") as saver:
        graph = build(saver)
        for thread, checkpoint_id in flushed.items():
            assert await saver.alatest_checkpoint_id(thread) >= checkpoint_id
            if await saver.aget_tuple(configured(thread, checkpoint_id=checkpoint_id)) is not None:
                await whole(saver, graph, thread, checkpoint_id)
        assert sound(saver)


async def test_the_disk_of_these_tests_forgets_what_is_not_flushed(tmp_path: Path) -> None:
    disk = ForgetfulDisk("forgetful-check")
    path = tmp_path / "checkpoints.db"
    lost = 0
    async with opened(path, vfs=disk.name, sync_wal=lambda: disk.sync("checkpoints.db-wal")) as saver:
        graph = build(saver)
        await graph.ainvoke({"script": [["say", 1]]}, configured("t"))
        await saver.flush()
        for turn in range(5):
            await graph.ainvoke({"script": [["say", turn]]}, configured("t"))
        newest = await saver.alatest_checkpoint_id("t")
        for seed in range(5):
            disk.after_power_cut(tmp_path / str(seed), random.Random(seed))
    for seed in range(5):
        async with opened(tmp_path / str(seed) / "checkpoints.db") as saver:
            lost += await saver.alatest_checkpoint_id("t") != newest
    assert lost > 0


async def test_a_flush_makes_one_sync_for_all_who_wait(tmp_path: Path) -> None:
    syncs = 0

    def count() -> None:
        nonlocal syncs
        syncs += 1

    async with opened(tmp_path / "checkpoints.db", sync_wal=count) as saver:
        graph = build(saver)

        async def turn(thread: str) -> None:
            await graph.ainvoke({"script": [["say", 1]]}, configured(thread))
            await saver.flush()

        await asyncio.gather(*(turn(f"t{n}") for n in range(40)))
        assert 0 < syncs < 40
        before = syncs
        await saver.flush()
        assert syncs == before  # nothing new: nothing to wait for


async def test_a_disk_that_has_refused_is_believed_again_only_when_the_file_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.db"
    log = path.with_name("checkpoints.db-wal")
    refuses = False

    def sync() -> None:
        nonlocal refuses
        if refuses:
            refuses = False  # once: the next one would succeed
            raise OSError(5, "Input/output error")

    async with opened(path, sync_wal=sync) as saver:
        graph = build(saver)
        await graph.ainvoke({"script": [["say", 1]]}, configured("t"))
        await saver.flush()
        assert saver.refused is None
        refuses = True
        await graph.ainvoke({"script": [["say", 2]]}, configured("t"))
        for _ in range(3):
            with pytest.raises(DiskRefusedError, match="Input/output error"):
                await saver.flush()
        assert saver.refused is not None
        newest = await saver.alatest_checkpoint_id("t")
    assert log.stat().st_size > 0, "left for the next process, which looks at its checksums"
    async with opened(path) as saver:
        assert log.stat().st_size == 0, "copied into the file, and synced there"
        assert await saver.alatest_checkpoint_id("t") == newest
        await build(saver).ainvoke({"script": [["say", 3]]}, configured("t"))
        await saver.flush()


async def test_what_a_killed_process_had_not_synced_is_on_the_disk_once_the_file_is_open(tmp_path: Path) -> None:
    path, left = tmp_path / "checkpoints.db", tmp_path / "left"
    async with opened(path) as saver:
        await build(saver).ainvoke({"script": [["say", 1]]}, configured("t"))
        newest = await saver.alatest_checkpoint_id("t")
        shutil.copytree(tmp_path, left, ignore=shutil.ignore_patterns("left", "*-shm", "*.lock"))
    disk = ForgetfulDisk("forgetful-start")
    disk.left_by_a_killed_process(left)
    try:
        sync = partial(disk.sync, "checkpoints.db-wal")
        async with opened(left / "checkpoints.db", vfs=disk.name, sync_wal=sync) as saver:
            await saver.flush()
            disk.after_power_cut(tmp_path / "after", None)
    finally:
        disk.unregister()
    async with opened(tmp_path / "after" / "checkpoints.db") as saver:
        assert await saver.alatest_checkpoint_id("t") == newest


async def test_a_reader_of_another_process_does_not_keep_the_file_from_being_opened(tmp_path: Path) -> None:
    path, left, syncs = tmp_path / "checkpoints.db", tmp_path / "left", 0

    def count() -> None:
        nonlocal syncs
        syncs += 1

    async with opened(path) as saver:
        await build(saver).ainvoke({"script": [["say", 1]]}, configured("t"))
        newest = await saver.alatest_checkpoint_id("t")
        shutil.copytree(tmp_path, left, ignore=shutil.ignore_patterns("left", "*-shm", "*.lock"))
    reader = apsw.Connection(str(left / "checkpoints.db"))
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM entry").get
    async with opened(left / "checkpoints.db", sync_wal=count) as saver:
        assert await saver.alatest_checkpoint_id("t") == newest
        await saver.flush()
        assert syncs == 1, "what was left is still in the WAL alone"
    reader.close()


async def test_commits_survive_in_the_wal_and_it_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.db"
    async with opened(path, wal_pages=50) as saver:
        graph = build(saver)
        for turn in range(60):
            await graph.ainvoke({"script": [["say_many", 80], ["start_over", turn]]}, configured("t"))
        await saver.flush()
        assert path.with_name("checkpoints.db-wal").stat().st_size < 6 * 50 * 4096
        assert saver._file.journal.writer.pragma("journal_mode") == "wal"
    assert apsw.SQLITE_VERSION_NUMBER >= 3051003
