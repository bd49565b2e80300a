"""The long-term store: durable, private, expiring, refusing what it cannot hold, and heir to LangGraph's own."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
import pytest
from langgraph.store.base import InvalidNamespaceError, PutOp, SearchOp

from checkpoints import open_store, stock
from checkpoints.ownership import FileInUseError
from checkpoints.schema import FileFormatError
from tests.checkpoints.stores import EachStore, stored_items


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


async def test_an_overwrite_keeps_when_the_item_was_created(each_store: EachStore) -> None:
    clock = Clock()
    async with each_store.open(clock=clock) as store:
        await store.aput(("a",), "k", {"v": 1})
        born = clock.now
        clock.pass_by(minutes=5)
        await store.aput(("a",), "k", {"v": 2})
        item = await store.aget(("a",), "k")
        assert item is not None
        assert (item.value, item.created_at, item.updated_at) == ({"v": 2}, born, clock.now)
        await store.adelete(("a",), "k")
        await store.aput(("a",), "k", {"v": 3})
        again = await store.aget(("a",), "k")
        assert again is not None
        assert again.created_at == clock.now


async def test_an_expired_item_is_not_there_before_it_is_swept_and_not_on_the_disk_after(each_store: EachStore) -> None:
    clock = Clock()
    async with each_store.open(clock=clock) as store:
        await store.aput(("a",), "short", {"v": 1}, ttl=0.5)
        await store.aput(("b",), "long", {"v": 2}, ttl=60)
        clock.pass_by(seconds=30)
        assert await store.aget(("a",), "short") is None
        assert [item.key for item in await store.asearch(())] == ["long"]
        assert await store.asearch((), filter={"v": 1}) == []
        assert await store.alist_namespaces() == [("b",)]
        assert each_store.stored_items() == 2
        assert await store.sweep_ttl() == 1
        assert each_store.stored_items() == 1


async def test_an_item_put_again_after_it_expired_is_a_new_one(each_store: EachStore) -> None:
    clock = Clock()
    async with each_store.open(clock=clock) as store:
        await store.aput(("a",), "k", {"v": 1}, ttl=1)
        clock.pass_by(minutes=2)
        await store.aput(("a",), "k", {"v": 2})
        item = await store.aget(("a",), "k")
        assert item is not None
        assert item.created_at == clock.now


async def test_reading_starts_the_time_to_live_anew_unless_it_must_not(each_store: EachStore) -> None:
    clock = Clock()
    async with each_store.open(clock=clock) as store:
        for key in ("read", "found", "looked at", "left alone"):
            await store.aput(("a",), key, {"key": key}, ttl=10)
        clock.pass_by(minutes=6)
        await store.aget(("a",), "read")
        await store.aget(("a",), "looked at", refresh_ttl=False)
        await store.asearch(("a",), filter={"key": "found"})
        clock.pass_by(minutes=6)
        assert {item.key for item in await store.asearch(("a",), refresh_ttl=False)} == {"read", "found"}


async def test_the_configured_time_to_live_is_for_items_that_name_none(each_store: EachStore) -> None:
    clock = Clock()
    async with each_store.open(ttl={"default_ttl": 5, "refresh_on_read": False}, clock=clock) as store:
        await store.aput(("a",), "default", {"v": 1})
        await store.aput(("a",), "own", {"v": 1}, ttl=20)
        await store.aput(("a",), "for ever", {"v": 1}, ttl=None)
        clock.pass_by(minutes=4)
        assert await store.aget(("a",), "default") is not None
        clock.pass_by(minutes=4)
        assert {item.key for item in await store.asearch(("a",))} == {"own", "for ever"}
        clock.pass_by(days=1000)
        assert {item.key for item in await store.asearch(("a",))} == {"for ever"}


async def test_what_expired_is_swept_without_being_asked(each_store: EachStore) -> None:
    clock = Clock()
    async with each_store.open(clock=clock) as store:
        await store.aput(("a",), "k", {"v": 1}, ttl=1)
    clock.pass_by(minutes=2)
    async with each_store.open(ttl={"sweep_interval_minutes": 1}, clock=clock), asyncio.timeout(20):
        while each_store.stored_items():  # noqa: ASYNC110 - the sweep tells nobody, but the file shows it
            await asyncio.sleep(0.01)


async def test_the_newest_change_is_found_first_also_after_a_restart_and_a_clock_that_stands_still(
    each_store: EachStore,
) -> None:
    clock = Clock()
    async with each_store.open(clock=clock) as store:
        for key in ("a", "b", "c"):
            await store.aput(("n", key), key, {"v": 1})
        await store.aput(("n", "a"), "a", {"v": 2})
    async with each_store.open(clock=clock) as store:
        assert [item.key for item in await store.asearch(("n",))] == ["a", "c", "b"]
        await store.aput(("n", "b"), "b", {"v": 2})
        assert [item.key for item in await store.asearch((), limit=2)] == ["b", "a"]
        assert [item.key for item in await store.asearch((), limit=2, offset=2)] == ["c"]


async def test_a_label_that_begins_like_another_is_no_part_of_it(each_store: EachStore) -> None:
    async with each_store.open() as store:
        for namespace in (("us",), ("us", "x"), ("users",), ("us-east",), ("us/x",)):
            await store.aput(namespace, "k", {"in": list(namespace)})
        assert {item.namespace for item in await store.asearch(("us",))} == {("us",), ("us", "x")}
        assert await store.alist_namespaces(prefix=("us",)) == [("us",), ("us", "x")]


async def test_threads_and_the_event_loop_use_one_store(each_store: EachStore) -> None:
    async with each_store.open() as store:
        await asyncio.gather(*(asyncio.to_thread(store.put, ("a",), str(n), {"n": n}) for n in range(50)))
        found = await asyncio.to_thread(store.search, ("a",), filter={"n": {"$gte": 40}}, limit=100)
        assert {item.value["n"] for item in found} == set(range(40, 50))
        await asyncio.to_thread(store.delete, ("a",), "7")
        assert await store.aget(("a",), "7") is None


async def test_on_the_event_loop_plain_methods_block_it_and_work(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        store.put(("a",), "here", {"n": -1})
        assert store.get(("a",), "here") == await store.aget(("a",), "here")


async def test_a_batch_reads_what_was_before_it_and_writes_all_or_nothing(each_store: EachStore) -> None:
    async with each_store.open() as store:
        put, search = PutOp(("a",), "k", {"v": 1}), SearchOp(("a",))
        assert await store.abatch([put, search, PutOp(("a",), "k", {"v": 2})]) == [None, [], None]
        assert [item.value for item in await store.asearch(("a",))] == [{"v": 2}]
        with pytest.raises(TypeError, match="item 'bad'"):
            await store.abatch([PutOp(("a",), "good", {"v": 1}), PutOp(("a",), "bad", {"v": object()})])
        assert await store.aget(("a",), "good") is None


async def test_values_come_back_as_json_has_them(each_store: EachStore) -> None:
    value = {"big": 10**40, "text": "\x00 é \U0001f600", "deep": [{"a": [None, True, 1.5]}], "": {}}
    async with each_store.open() as store:
        await store.aput(("a",), "\x01 é", value)
        item = await store.aget(("a",), "\x01 é")
        assert item is not None
        assert item.value == value
        moment, name = datetime(2026, 1, 1, tzinfo=UTC), UUID(int=7)
        await store.aput(("a",), "made", {"at": moment, "id": name, "pair": (1, 2)})
        made = await store.aget(("a",), "made")
        assert made is not None
        assert made.value == {"at": "2026-01-01T00:00:00+00:00", "id": str(name), "pair": [1, 2]}


@pytest.mark.parametrize(
    ("namespace", "key", "value", "ttl", "error", "words"),
    [
        ((), "k", {}, None, InvalidNamespaceError, "cannot be empty"),
        (("a.b",), "k", {}, None, InvalidNamespaceError, "periods"),
        (("a", ""), "k", {}, None, InvalidNamespaceError, "empty"),
        (("\ud800",), "k", {}, None, ValueError, "surrogate"),
        (("a",), "\ud800", {}, None, ValueError, "surrogate"),
        (("a",), "k", {"v": "\ud800"}, None, TypeError, "surrogates"),
        (("a",), "k", {"v": {1: 2}}, None, TypeError, "key must be str"),
        (("a",), "k", ["no", "dict"], None, TypeError, "must be a dict"),
        (("a",), "k", {}, 0, ValueError, "more than 0"),
        (("a",), "k", {}, float("nan"), ValueError, "more than 0"),
        (("a",), "k", {}, 1e300, ValueError, "at most"),
    ],
)
async def test_what_cannot_be_stored_is_refused_in_words(
    each_store: EachStore, namespace: Any, key: str, value: Any, ttl: Any, error: type[Exception], words: str
) -> None:
    async with each_store.open() as store:
        with pytest.raises(error, match=words):
            await store.abatch([PutOp(namespace, key, value, ttl=ttl)])
        assert await store.asearch(()) == []


async def test_an_unknown_comparison_is_refused_even_when_nothing_is_there(each_store: EachStore) -> None:
    async with each_store.open() as store:
        with pytest.raises(ValueError, match=r"\$near.*\$eq"):
            await store.asearch(("a",), filter={"v": [{"w": {"$near": 1}}]})


async def test_what_cannot_be_compared_matches_nothing_and_text_compares_as_text(each_store: EachStore) -> None:
    async with each_store.open() as store:
        await store.aput(("a",), "old", {"at": "2025-05-01", "n": "9"})
        await store.aput(("a",), "new", {"at": "2026-05-01", "n": [9]})
        await store.aput(("a",), "none", {})
        assert [item.key for item in await store.asearch(("a",), filter={"at": {"$gt": "2026"}})] == ["new"]
        assert [item.key for item in await store.asearch(("a",), filter={"n": {"$lt": 10}})] == ["old"]


async def test_what_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    program = f"""
import asyncio, pathlib, sys
from checkpoints import open_store
async def main():
    async with open_store(pathlib.Path({str(tmp_path)!r})) as store:
        await asyncio.gather(*(store.aput(("a",), str(n), {{"n": n}}) for n in range(100)))
        print("stored", flush=True)
        sys.stdin.read()
asyncio.run(main())
"""
    command = (sys.executable, "-c", program)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"stored\n"
        process.kill()
        await process.wait()
    async with open_store(tmp_path) as store:
        assert len(await store.asearch(("a",), limit=1000)) == 100


async def test_a_put_is_answered_only_when_the_disk_has_it_and_many_share_one_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    real = os.fdatasync

    gate = threading.Event()
    gate.set()

    def slow_disk(descriptor: int) -> None:
        real(descriptor)
        assert gate.wait(30)
        syncs.append(stored_items(tmp_path))

    monkeypatch.setattr(os, "fdatasync", slow_disk)
    async with open_store(tmp_path) as store:
        await store.aput(("a",), "first", {"v": 1})
        assert syncs[-1] == 1
        gate.clear()
        puts = [asyncio.create_task(store.aput(("a",), str(n), {"n": n})) for n in range(200)]
        for _ in range(20):  # turns of the loop, for all of them to be queued
            await asyncio.sleep(0)
        assert not any(put.done() for put in puts)
        gate.set()
        await asyncio.gather(*puts)
        assert syncs[-1] == 201
        assert len(syncs) <= 5


async def test_a_disk_that_does_not_take_the_data_is_told_and_not_believed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuses, real = False, os.fdatasync

    def disk(descriptor: int) -> None:
        if refuses:
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", disk)
    async with open_store(tmp_path) as store:
        await store.aput(("a",), "k", {"v": 1})
        refuses = True
        with pytest.raises(OSError, match="Input/output"):
            await store.aput(("a",), "k", {"v": 2})
        refuses = False
        with pytest.raises(OSError, match="start the server again"):
            await store.aput(("a",), "k", {"v": 3})
        assert await store.aget(("a",), "k") is not None
    async with open_store(tmp_path) as store:
        await store.aput(("a",), "k", {"v": 4})
        found = await store.aget(("a",), "k")
        assert found is not None
        assert found.value == {"v": 4}


async def test_the_file_is_private_and_has_one_owner(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with open_store(folder) as store:
        await store.aput(("a",), "k", {"v": 1})
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert set(modes.values()) == {0o600}, modes
        with pytest.raises(FileInUseError, match="own DATA_DIR"):
            async with open_store(folder):
                pass


async def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    other = apsw.Connection(str(tmp_path / "items.db"))
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(FileFormatError, match="another application"):
        async with open_store(tmp_path):
            pass


async def test_a_full_disk_is_an_error_that_says_so_and_loses_nothing(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.aput(("a",), "before", {"v": 1})
        pages = store._connections._writer.pragma("page_count")
        store._connections._writer.pragma("max_page_count", pages)
        with pytest.raises(OSError, match=r"No space left.*items\.db"):
            await store.aput(("a",), "big", {"v": "x" * 100_000})
        store._connections._writer.pragma("max_page_count", 2**30)
        await store.aput(("a",), "after", {"v": 2})
        assert {item.key for item in await store.asearch(("a",))} == {"before", "after"}


async def test_what_langgraphs_own_store_held_is_taken_over_once(tmp_path: Path) -> None:
    async with stock.open_store(tmp_path) as old:
        await old.aput(("users", "ada"), "language", {"speaks": "English"})
        await old.aput(("users",), "short", {"v": 1}, ttl=60 * 24 * 365 * 100)
        await old.aput(("users",), "over", {"v": 1}, ttl=0.000001)
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("UPDATE store SET created_at = '2020-02-03 04:05:06' WHERE key = 'language'")
    connection.close()
    async with open_store(tmp_path) as store:
        item = await store.aget(("users", "ada"), "language")
        assert item is not None
        assert (item.value, item.created_at) == ({"speaks": "English"}, datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC))
        assert {found.key for found in await store.asearch(())} == {"language", "short"}
        await store.adelete(("users", "ada"), "language")
    assert not (tmp_path / "store.db").exists()
    assert (tmp_path / "store-imported.db").exists()
    async with open_store(tmp_path) as store:
        assert await store.aget(("users", "ada"), "language") is None


async def test_taking_over_keeps_the_later_version_of_an_item(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.aput(("a",), "ours", {"v": "ours"})
    async with stock.open_store(tmp_path) as old:
        await old.aput(("a",), "ours", {"v": "theirs"})
        await old.aput(("a",), "theirs", {"v": "theirs"})
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("UPDATE store SET updated_at = '2020-01-01 00:00:00' WHERE key = 'ours'")
    connection.close()
    async with open_store(tmp_path) as store:
        assert {item.key: item.value["v"] for item in await store.asearch(("a",))} == {
            "ours": "ours",
            "theirs": "theirs",
        }


async def test_a_stock_file_that_cannot_be_read_stops_the_opening_and_stays(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(OSError, match="Move it out"):
        async with open_store(tmp_path):
            pass
    assert (tmp_path / "store.db").exists()
