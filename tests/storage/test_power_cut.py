"""The power goes at any moment: what a caller was told is durable is there, and the file is sound."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import apsw
import pytest

from tests.checkpoints.power import ForgetfulDisk
from tests.runs.records import NOW, enqueue
from threadkeep.callers import EVERYONE
from threadkeep.errors import NotFoundError, ThreadkeepError, UnavailableError
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.run import Ending
from threadkeep.storage.sqlite import Disk, open_sqlite
from threadkeep.streams.event_store import EventStore, StoredEvent
from threadkeep.streams.live import Event

CUTS = 12


@pytest.mark.parametrize("trial", range(4))
async def test_nothing_a_client_was_told_is_missing_after_a_power_cut(tmp_path: Path, trial: int) -> None:
    disk = ForgetfulDisk(f"forgetful-server-{trial}")
    chance = random.Random(trial)
    told: dict[str, str] = {}
    shown: dict[str, int] = {}
    try:
        path = tmp_path / "server.db"
        async with open_sqlite(path, Disk(disk.name, lambda _: disk.sync("server.db-wal"))) as database:
            queue, events = RunQueue(database), EventStore(database)
            for number in range(CUTS):
                run = (await enqueue(queue, f"t{number}")).run
                told[run.run_id] = "pending"
                if chance.random() < 0.8:
                    [claimed] = await queue.claim(now=NOW, limit=1)
                    count = chance.randrange(4)
                    for event_id in range(1, count + 1):
                        await events.insert(claimed.run_id, [StoredEvent(Event(event_id, "values", b"{}"), None)])
                        shown[claimed.run_id] = event_id
                    if chance.random() < 0.7:
                        await queue.finish(claimed, Ending("success", "idle"), now=NOW)
                        told[claimed.run_id] = "success"
                folder = tmp_path / str(number)
                disk.after_power_cut(folder, random.Random(number))
                await check(folder / "server.db", told, shown)
    finally:
        disk.unregister()


async def check(path: Path, told: dict[str, str], shown: dict[str, int]) -> None:
    async with open_sqlite(path) as database:
        assert await database.read("PRAGMA integrity_check") == [("ok",)]
        queue, events = RunQueue(database), EventStore(database)
        await queue.rescue(now=NOW)
        for run_id, status in told.items():
            try:
                stored = await queue.get(run_id, EVERYONE)
            except NotFoundError:
                raise AssertionError("an accepted run is gone") from None
            # Of a run that was not told to have ended, anything later may be stored too, but never less.
            assert stored.status == status or status == "pending"
        for run_id, last_id in shown.items():
            assert [item.event.event_id for item in await events.page(run_id, 0)][:last_id] == list(
                range(1, last_id + 1)
            )


class CountedDisk:
    """Counts the syncs of the log, and refuses one on demand."""

    def __init__(self) -> None:
        self.syncs = 0
        self.refuses = False
        self.synced = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def sync(self, _wal: int) -> None:
        if self.refuses:
            self.refuses = False
            raise OSError("on purpose")
        self.syncs += 1
        self._loop.call_soon_threadsafe(self.synced.set)


async def test_what_nobody_waits_for_gets_to_the_disk_soon_by_one_sync_for_all(tmp_path: Path) -> None:
    disk = CountedDisk()
    async with open_sqlite(tmp_path / "server.db", Disk(sync=disk.sync)) as database:
        queue = RunQueue(database)
        await queue.sync()
        before = disk.syncs
        places = []
        for _ in range(5):
            await database.write(lambda connection: None, durable=False)
            places.append(database.sync_soon())
        assert places == sorted(set(places))
        disk.synced.clear()
        async with asyncio.timeout(10):
            await disk.synced.wait()
        await database.sync()
        await database.sync(places[0])
        assert disk.syncs == before + 1, "nothing was left to sync"


async def test_a_file_that_is_closed_has_everything_on_the_disk(tmp_path: Path) -> None:
    disk = CountedDisk()
    async with open_sqlite(tmp_path / "server.db", Disk(sync=disk.sync)) as database:
        await database.sync()
        before = disk.syncs
        await database.write(lambda connection: None, durable=False)
    assert disk.syncs == before + 1


async def test_a_disk_that_has_refused_is_believed_again_only_when_the_file_is_opened_anew(tmp_path: Path) -> None:
    disk, path = CountedDisk(), tmp_path / "server.db"
    refused = pytest.raises(UnavailableError, match="did not take the data: on purpose")
    async with open_sqlite(path, Disk(sync=disk.sync)) as database:
        await database.write(lambda connection: None)
        safe = database.sync_soon()
        await database.write(lambda connection: connection.execute("CREATE TABLE kept (x)"), durable=False)
        lost = database.sync_soon()
        disk.refuses = True  # once: the next sync would succeed
        for _ in range(3):
            with refused:
                await database.sync(lost)
        with refused:
            await database.write(lambda connection: None)
        with refused:
            await database.check_writable()
        await database.sync(safe)
        assert database.is_on_disk(safe)
        assert not database.is_on_disk(lost)
    log = path.with_name("server.db-wal")
    assert log.stat().st_size > 0, "left for the next process, which looks at its checksums"
    async with open_sqlite(path) as database:
        assert await database.read("SELECT x FROM kept") == []
        assert log.stat().st_size == 0, "copied into the file, and synced there"
        await database.write(lambda connection: None)
        await database.check_writable()


async def test_what_a_killed_process_had_not_synced_is_on_the_disk_once_the_file_is_open(tmp_path: Path) -> None:
    path, left = tmp_path / "server.db", tmp_path / "left"
    async with open_sqlite(path) as database:
        await database.write(lambda connection: connection.execute("CREATE TABLE kept (x)"), durable=False)
        shutil.copytree(tmp_path, left, ignore=shutil.ignore_patterns("left", "*-shm"))
    disk = ForgetfulDisk("forgetful-start")
    disk.left_by_a_killed_process(left)
    try:
        async with open_sqlite(left / "server.db", Disk(disk.name, lambda _: disk.sync("server.db-wal"))):
            disk.after_power_cut(tmp_path / "after", None)
    finally:
        disk.unregister()
    async with open_sqlite(tmp_path / "after" / "server.db") as database:
        assert await database.read("SELECT x FROM kept") == []


async def test_a_reader_of_another_process_does_not_keep_the_file_from_being_opened(tmp_path: Path) -> None:
    path, left, disk = tmp_path / "server.db", tmp_path / "left", CountedDisk()
    async with open_sqlite(path) as database:
        await database.write(lambda connection: connection.execute("CREATE TABLE kept (x)"), durable=False)
        shutil.copytree(tmp_path, left, ignore=shutil.ignore_patterns("left", "*-shm"))
    reader = apsw.Connection(str(left / "server.db"))
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM kept").get == 0
    async with open_sqlite(left / "server.db", Disk(sync=disk.sync)) as database:
        assert await database.read("SELECT x FROM kept") == []
        await database.sync()
        assert disk.syncs == 1, "what was left is still in the log alone"
    reader.close()


class Failing(apsw.VFS):
    """Fails the Nth write or sync after it was armed, once."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "")
        self.name = name
        self.left = 0
        self.error: type[Exception] = apsw.IOError

    def xOpen(self, name: object, flags: list[int]) -> FailingFile:  # noqa: N802 - SQLite's name
        return FailingFile(self, name, flags)

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error("on purpose")


class FailingFile(apsw.VFSFile):
    def __init__(self, disk: Failing, name: object, flags: list[int]) -> None:
        self.disk = disk
        super().__init__("", name, flags)  # type: ignore[arg-type]

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self.disk.step()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self.disk.step()
        super().xSync(flags)

    def xLock(self, level: int) -> None:  # noqa: N802
        self.disk.step()
        super().xLock(level)


@pytest.mark.parametrize("error", [apsw.FullError, apsw.BusyError, apsw.IOError])
async def test_whichever_disk_access_fails_a_second_try_makes_it_whole(tmp_path: Path, error: type[Exception]) -> None:
    disk = Failing(f"failing-{error.__name__}")
    try:
        failures = 0
        for number in range(1, 30):
            path = tmp_path / f"{number}.db"
            async with open_sqlite(path, Disk(disk.name)) as database:
                queue = RunQueue(database)
                disk.error, disk.left = error, number
                try:
                    await life_of_a_run(queue, f"t{number}")
                except ThreadkeepError:
                    failures += 1
                disk.left = 0
                await life_of_a_run(queue, f"t{number}")
                [run] = await queue.list_runs(f"t{number}", EVERYONE)
                assert run.status == "success"
                assert await database.read("PRAGMA integrity_check") == [("ok",)]
        assert failures >= 5
    finally:
        disk.unregister()


async def life_of_a_run(queue: RunQueue, thread_id: str) -> None:
    """Accept, start and end one run, or what of it is left to do."""
    accepted = (await enqueue(queue, thread_id, idempotency_key=thread_id)).run
    if (await queue.get(accepted.run_id, EVERYONE)).status == "pending":
        await queue.claim(now=NOW, limit=1)
    run = await queue.get(accepted.run_id, EVERYONE)
    if run.status == "running":
        await queue.finish(run, Ending("success", "idle"), now=NOW)
