"""Nothing blocks a run: open listings, cancelled tasks, other threads and processes; and readers share nothing."""

import asyncio
import copy
import gc
import multiprocessing
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import apsw
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from pydantic import BaseModel
from typing_extensions import TypedDict

from checkpoints.commit import Journal
from checkpoints.file import open_file
from checkpoints.ownership import FileInUseError
from checkpoints.rows import Rows
from checkpoints.saver import SegmentSaver
from checkpoints.schema import FileFormatError
from tests.checkpoints.conftest import opened
from tests.checkpoints.program import build
from tests.checkpoints.reference import Compared, Reference, configured

SECONDS = 20  # no test takes this long unless something hangs


async def say(graph: Any, thread: str, *numbers: int) -> None:
    async with asyncio.timeout(SECONDS):
        await graph.ainvoke({"script": [["say", number] for number in numbers]}, configured(thread))


async def test_a_listing_left_open_blocks_nobody(each_saver: Any) -> None:
    saver = each_saver
    graph = build(saver)
    await say(graph, "t", *range(20))
    listing = saver.alist(configured("t"))
    await anext(listing)
    await say(graph, "t", 21)
    async for one in saver.alist(configured("t"), limit=5):
        async with asyncio.timeout(SECONDS):
            assert await saver.aget_tuple(one.config) is not None
            await saver.aput_writes(one.config, [("note", 1)], "task")
    await saver.adelete_thread("t")
    assert len([one async for one in listing]) < 20  # the rest of the page it had read


async def test_a_cancelled_put_leaves_nothing_open(tmp_path: Path) -> None:
    async with opened(tmp_path / "checkpoints.db") as saver:
        graph = build(saver)
        await say(graph, "t", 1)
        config = (await saver.aget_tuple(configured("t"))).config  # type: ignore[union-attr]
        for number in range(10):
            put = asyncio.create_task(saver.aput_writes(config, [("note", number)], f"task {number}"))
            await asyncio.sleep(0)
            put.cancel()
            with pytest.raises(asyncio.CancelledError):
                await put
        await say(graph, "t", 2)
        assert not saver._file.journal.writer.in_transaction
        written = (await saver.aget_tuple(config)).pending_writes  # type: ignore[union-attr]
        assert written is not None
        assert {task for task, *_ in written} >= {f"task {number}" for number in range(10)}


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("COMMIT")
"""


async def test_a_lock_of_another_process_delays_a_run_and_keeps_the_loop_free(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.db"
    async with opened(path) as saver:
        graph = build(saver)
        await say(graph, "t", 1)
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert holder.stdout is not None
        assert await asyncio.to_thread(holder.stdout.readline) == "held\n"
        run = asyncio.create_task(say(graph, "t", 2, 3))
        ticks = 0
        while ticks < 50:  # the loop turns while the run waits
            done, _ = await asyncio.wait({run}, timeout=0.01)
            assert not done
            ticks += 1
        await asyncio.to_thread(holder.communicate)
        await run
        assert len((await graph.aget_state(configured("t"))).values["messages"]) == 3


async def test_a_reader_is_shown_nothing_that_is_not_committed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.db"
    async with opened(path) as saver:
        graph = build(saver)
        await say(graph, "t", 1)
        found = await saver.aget_tuple(configured("t"))
        assert found is not None
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert holder.stdout is not None
        assert await asyncio.to_thread(holder.stdout.readline) == "held\n"
        write = asyncio.create_task(saver.aput_writes(found.config, [("note", 1)], "task"))
        await asyncio.sleep(0)
        read = asyncio.create_task(saver.aget_tuple(configured("t")))
        done, _ = await asyncio.wait({read, write}, timeout=0.1)
        assert not done
        await asyncio.to_thread(holder.communicate)
        async with asyncio.timeout(SECONDS):
            await write
            assert ("task", "note", 1) in (await read).pending_writes  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("hot_bytes", [1, 64_000_000])
async def test_writes_that_overtake_their_checkpoint_are_read_with_it(tmp_path: Path, hot_bytes: int) -> None:
    async with opened(tmp_path / "checkpoints.db", hot_bytes=hot_bytes) as saver:
        both = Compared(saver, Reference())
        graph = build(both)
        for thread in ("t", "other"):
            await say(graph, thread, 1)
        found = await saver.aget_tuple(configured("t"))
        assert found is not None
        for late in ("\uffff 1", "\uffff 2"):
            ahead = configured("t", checkpoint_id=late)
            await both.aput_writes(ahead, [("note", "early")], "task")
            await both.aget_tuple(configured("other"))
            await both.aput(found.config, found.checkpoint | {"id": late}, found.metadata, {})
            await both.aput_writes(ahead, [("note", "late")], "another task")
            read = await both.aget_tuple(configured("t"))
            assert read is not None
            assert [value for *_, value in read.pending_writes or []] == ["late", "early"]


async def test_graphs_in_threads_and_on_the_loop_write_at_once(each_saver: Any) -> None:
    saver = each_saver
    graph = build(saver, in_threads=True)

    def in_a_thread(thread: str) -> None:
        for number in range(15):
            graph.invoke({"script": [["say", number], ["delta", 2]]}, configured(thread))
        assert len(graph.get_state(configured(thread)).values["messages"]) == 15
        assert len(list(graph.get_state_history(configured(thread)))) > 15

    async def on_the_loop(thread: str) -> None:
        for number in range(15):
            await say(graph, thread, number)
            await saver.flush()

    async with asyncio.timeout(SECONDS * 3):
        threads = (asyncio.to_thread(in_a_thread, f"sync {n}") for n in range(4))
        await asyncio.gather(*threads, *(on_the_loop(f"async {n}") for n in range(4)))
        await saver.acopy_thread("sync 0", "copy")
        await asyncio.to_thread(saver.prune, ["copy"])
        await asyncio.to_thread(saver.delete_thread, "copy")


async def test_another_loop_may_use_the_saver(each_saver: Any) -> None:
    saver = each_saver
    graph = build(saver)

    def other_loop() -> None:
        asyncio.run(elsewhere())

    async def elsewhere() -> None:
        await say(graph, "other", 1, 2)
        await saver.flush()
        await saver.aprune(["other"])
        assert len([one async for one in saver.alist(configured("other"))]) == 1

    await asyncio.gather(asyncio.to_thread(other_loop), say(graph, "t", *range(10)))


async def test_removals_and_runs_do_not_disturb_each_other(each_saver: Any) -> None:
    saver = each_saver
    graph = build(saver)

    async def keep_removing() -> None:
        for _ in range(15):
            await saver.aprune(["a", "b"])
            await saver.acopy_thread("a", "copy")
            await saver.adelete_thread("copy")

    async def keep_running(thread: str) -> None:
        for number in range(25):
            await say(graph, thread, number)

    async with asyncio.timeout(SECONDS * 3):
        await asyncio.gather(keep_running("a"), keep_running("b"), keep_removing())
    for thread in ("a", "b"):
        assert len((await graph.aget_state(configured(thread))).values["messages"]) == 25


async def test_a_write_that_a_removal_overtakes_waits_for_its_end(saver: SegmentSaver) -> None:
    """It looked before the removal began and gets the lock after: it must look again."""
    file = saver._file
    journal = file.journal
    acted = threading.Event()
    writer = threading.Thread(target=file.attempt_here, args=(acted.set, lambda: None))

    def stands_in(function: str) -> bool:
        frame = sys._current_frames().get(writer.ident or 0)
        while frame is not None and frame.f_code.co_name != function:
            frame = frame.f_back
        return frame is not None

    def overtake() -> None:
        with ExitStack() as removal:
            with journal.lock:
                writer.start()
                wait_until(lambda: stands_in("attempt_here"))
                removal.enter_context(journal.alone())
            wait_until(lambda: acted.is_set() or stands_in("wait_writable"))
            assert not acted.is_set()

    await asyncio.to_thread(overtake)
    await asyncio.to_thread(writer.join, SECONDS)
    assert acted.is_set()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


async def test_closing_waits_for_a_removal_whose_caller_has_gone(tmp_path: Path) -> None:
    ended = threading.Event()
    begun = threading.Event()

    def remove(journal: Journal) -> None:
        with journal.alone() as connection:
            begun.set()
            for _ in range(50):
                connection.execute("SELECT count(*) FROM body")
                time.sleep(0.001)
        ended.set()

    async with opened(tmp_path / "checkpoints.db") as saver:
        caller = asyncio.ensure_future(asyncio.to_thread(remove, saver._file.journal))
        await asyncio.to_thread(begun.wait, SECONDS)
        caller.cancel()
    assert ended.wait(SECONDS)


async def test_rows_that_sqlite_refuses_harm_only_their_own_thread(saver: SegmentSaver) -> None:
    graph = build(saver)
    bad = asyncio.create_task(say(graph, "lone \ud83d surrogate", 1))
    good = asyncio.create_task(say(graph, "good", 1))
    with pytest.raises(ValueError, match="surrogates"):
        await bad
    await good
    await say(graph, "good", 2)
    assert len((await graph.aget_state(configured("good"))).values["messages"]) == 2


async def test_a_full_disk_fails_the_run_and_later_ones_go_on(saver: SegmentSaver) -> None:
    graph = build(saver)
    await say(graph, "t", 1)
    writer = saver._file.journal.writer
    pages = writer.pragma("page_count")
    writer.pragma("max_page_count", pages + 1)
    with pytest.raises(apsw.FullError):
        await graph.ainvoke({"script": [["say_many", 180]] * 20}, configured("t"))
    assert await saver.aget_tuple(configured("t")) is not None
    writer.pragma("max_page_count", 1_000_000)
    await say(graph, "t", 500)
    state = await graph.aget_state(configured("t"))
    assert state.values["messages"][-1].id == "m500"


class Settings(BaseModel):
    name: str = "here"


class Typed(TypedDict):
    settings: Settings


async def test_a_clone_with_an_allow_list_rebuilds_types_that_the_saver_itself_does_not(saver: SegmentSaver) -> None:
    builder = StateGraph(Typed)
    builder.add_node("set", lambda state: {"settings": Settings(name="changed")})
    builder.add_edge(START, "set")
    builder.add_edge("set", END)
    allowing = saver.with_allowlist([(Settings.__module__, Settings.__name__)])
    await builder.compile(checkpointer=allowing).ainvoke({"settings": Settings()}, configured("t"))
    for one, expected in (
        (allowing, Settings(name="changed")),
        (saver, {"name": "changed"}),
        (allowing, Settings(name="changed")),
    ):
        found = await one.aget_tuple(configured("t"))
        assert found is not None
        assert found.checkpoint["channel_values"]["settings"] == expected
    assert await copy.copy(saver).alatest_checkpoint_id("t") == await saver.alatest_checkpoint_id("t")


class Chat(TypedDict):
    messages: Annotated[list[Any], add_messages]
    edit: Any


async def edit(state: Chat) -> Any:
    index, how = state["edit"]
    one = state["messages"][index]
    if how == "content":
        one.content = f"edited {index}"
    elif how == "deep":
        one.tool_calls[0]["args"]["n"] = float(one.tool_calls[0]["args"]["n"])
    elif how == "renamed":
        one.__dict__["elsewhere"] = one.__dict__.pop("usage_metadata")  # the same values in the same order
    elif how == "extra":
        one.undeclared = index
    return {"messages": [HumanMessage("new", id=f"after {index} {how}")]}


@pytest.mark.parametrize("how", ["content", "deep", "renamed", "extra", "nothing"])
async def test_edits_in_a_long_thread_are_stored_and_no_reader_sees_another_ones(saver: SegmentSaver, how: str) -> None:
    """Long enough for messages to be lent; each turn edits one in place, and a reader spoils what it was given."""
    both = Compared(saver, Reference())
    builder = StateGraph(Chat)
    builder.add_node("edit", edit)
    builder.add_edge(START, "edit")
    graph = builder.compile(checkpointer=both)
    call = {"name": "tool", "args": {"n": 1, "list": [1]}, "id": "c"}
    usage: Any = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    many = [AIMessage(f"text {n}", id=f"m{n}", tool_calls=[call], usage_metadata=usage) for n in range(300)]
    await graph.ainvoke({"messages": many, "edit": (0, "nothing")}, configured("t"))
    kept: list[Any] = []
    lent = 0
    for turn in range(4):
        for _ in range(2):  # the second time nobody holds what was lent
            await graph.aget_state(configured("t"))
        lent += saver._file.hot.get("t", "").lists["messages"][-1].lent is not None  # type: ignore[union-attr]
        await graph.ainvoke({"messages": [], "edit": (280 + turn, how)}, configured("t"))
        values = (await graph.aget_state(configured("t"))).values["messages"]
        if turn == 1:
            values[5].content = "spoilt by a reader"
        if turn == 2:
            kept.append(values[7].tool_calls[0]["args"]["list"])
        if turn == 3:
            kept.append(values[9].tool_calls)
        del values
        gc.collect()
        await graph.aget_state(configured("t"))
        for one in kept:
            one.append("spoilt while somebody else may read")
    await graph.ainvoke({"messages": [], "edit": (290, how)}, configured("t"))
    _ = [one async for one in both.alist(configured("t"), limit=6)]
    assert len(both.compared) > 15
    assert lent == (1 if how == "extra" else 4)  # a message with undeclared fields is left to the serializer


async def test_a_long_thread_that_grows_by_single_messages_stays_what_it_is(saver: SegmentSaver) -> None:
    """Messages that came one by one are made anew together; meanwhile old ones are edited in place."""
    both = Compared(saver, Reference())
    builder = StateGraph(Chat)
    builder.add_node("edit", edit)
    builder.add_edge(START, "edit")
    graph = builder.compile(checkpointer=both)
    many = [AIMessage(f"text {n}", id=f"m{n}") for n in range(260)]
    await graph.ainvoke({"messages": many, "edit": (0, "nothing")}, configured("t"))
    for turn in range(140):
        how = "content" if turn % 20 == 0 else "nothing"
        question = HumanMessage("and now?", id=f"q{turn}")
        await graph.ainvoke({"messages": [question], "edit": (turn, how)}, configured("t"))
    values = (await graph.aget_state(configured("t"))).values["messages"]
    [hot] = saver._file.hot.get("t", "").lists["messages"][-1:]  # type: ignore[union-attr]
    assert hot.lent is not None
    assert len(hot.lent) > 300
    assert [one.text for one in values[:21:20]] == ["edited 0", "edited 20"]
    assert len(both.compared) > 140


@pytest.mark.parametrize("kept", ["nothing", "the list", "a message", "a list in it"])
@pytest.mark.parametrize("spoilt", ["before the flush", "after it"])
async def test_what_a_flush_takes_back_is_what_no_reader_can_reach(saver: SegmentSaver, kept: str, spoilt: str) -> None:
    builder = StateGraph(Chat)
    builder.add_node("edit", edit)
    builder.add_edge(START, "edit")
    graph = builder.compile(checkpointer=saver)
    call = {"name": "tool", "args": {"n": 1}, "id": "c"}
    many = [AIMessage(f"text {n}", id=f"m{n}", tool_calls=[call]) for n in range(300)]
    await graph.ainvoke({"messages": many, "edit": (0, "nothing")}, configured("t"))
    expected = repr((await graph.aget_state(configured("t"))).values["messages"])
    for _ in range(3):
        values = (await graph.aget_state(configured("t"))).values["messages"]
        assert repr(values) == expected
        held = {"the list": values, "a message": values[-1], "a list in it": values[-2].tool_calls}.get(kept)
        if spoilt == "before the flush":
            values[3].content = "spoilt by a reader"
        del values
        gc.collect()
        await saver.flush()
        await asyncio.sleep(0)  # nothing had to be synced, so nothing was waited for
        before = (await graph.aget_state(configured("t"))).values["messages"]
        if kept == "the list" and spoilt == "after it":
            held[3].content = "spoilt by a reader"  # type: ignore[index]
        elif kept == "a message":
            held.content = "spoilt by a reader"  # type: ignore[union-attr]
        elif kept == "a list in it":
            held.clear()  # type: ignore[union-attr]
        assert repr(before) == expected
        del before


async def test_what_is_remembered_of_threads_is_bounded(tmp_path: Path) -> None:
    async with opened(tmp_path / "checkpoints.db", hot_bytes=200_000) as saver:
        graph = build(saver)
        for thread in range(30):
            await graph.ainvoke({"script": [["say_many", 80]]}, configured(f"t{thread}"))
        assert len(saver._file.hot) < 20
        for thread in range(30):
            assert len((await graph.aget_state(configured(f"t{thread}"))).values["messages"]) == 80


async def test_a_list_edited_again_and_again_stays_cheap_to_read(saver: SegmentSaver) -> None:
    graph = build(saver)
    await graph.ainvoke({"script": [["say_many", 89]]}, configured("t"))
    for turn in range(60):
        await graph.ainvoke({"script": [["edit", turn * 7], ["remove", turn]]}, configured("t"))
    found = saver._file.find(configured("t"), saver.serde)
    assert found is not None
    assert len(found.lists["messages"].ranges) <= 64


async def test_a_process_forked_from_the_owner_cannot_write(saver: SegmentSaver) -> None:
    def child(told: Any) -> None:
        try:
            saver._file.journal.add(Rows(1))
        except RuntimeError as refused:
            told.send(str(refused))

    ours, theirs = multiprocessing.Pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 advises against what is tested here
        process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
        process.start()
    assert await asyncio.to_thread(ours.poll, SECONDS)
    assert "open it after the fork" in ours.recv()
    process.join()
    ours.close()
    theirs.close()
    process.close()


async def test_a_second_opener_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path / "checkpoints.db"):
        with pytest.raises(FileInUseError):
            async with open_file(tmp_path / "checkpoints.db"):
                pass


async def test_files_of_others_and_of_the_future_are_refused(tmp_path: Path) -> None:
    for name, pragma in (("other.db", "CREATE TABLE theirs (x)"), ("future.db", "PRAGMA user_version = 99")):
        if name == "future.db":
            async with opened(tmp_path / name):
                pass
        connection = apsw.Connection(str(tmp_path / name))
        connection.execute(pragma)
        connection.close()
        with pytest.raises(FileFormatError, match=name):
            async with opened(tmp_path / name):
                pass


async def test_a_threads_bytes_are_told_by_kind(saver: SegmentSaver) -> None:
    graph = build(saver)
    assert await saver.athread_bytes("t") == {"values": 0, "checkpoints": 0, "writes": 0}
    assert await saver.alatest_checkpoint_id("t") is None
    await say(graph, "t", 1)
    before = await saver.athread_bytes("t")
    await say(graph, "t", 2)
    after = await saver.athread_bytes("t")
    assert all(0 < before[kind] < after[kind] for kind in before)
