"""What is left when runs, checkpoints and threads are taken away, in a file and in PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.types import Command

from tests.checkpoints.program import build
from tests.checkpoints.reference import configured


def run_of(number: int, thread: str = "t") -> Any:
    return configured(thread) | {"metadata": {"run_id": f"run {number}"}}


async def deltas(graph: Any, thread: str = "t") -> list[Any]:
    return list((await graph.aget_state(configured(thread))).values.get("deltas", []))


async def test_undoing_a_resume_leaves_its_question_open_and_its_writes_gone(each_saver: Any) -> None:
    graph = build(each_saver)
    await graph.ainvoke({"script": [["say", 1], ["ask", 2], ["say", 3]]}, run_of(1))
    asked = await graph.aget_state(configured("t"))
    before = await each_saver.aget_tuple(configured("t"))
    await graph.ainvoke(Command(resume="answer"), run_of(2))
    await each_saver.adelete_for_runs(["run 2"])
    await each_saver.adelete_for_runs(["run 2"])
    assert await each_saver.aget_tuple(configured("t")) == before
    assert (await graph.aget_state(configured("t"))).interrupts == asked.interrupts
    await graph.ainvoke(Command(resume="another answer"), run_of(3))
    values = (await graph.aget_state(configured("t"))).values
    assert [one.id for one in values["messages"]] == ["m1", "m3"]


async def test_undoing_a_run_keeps_what_a_surviving_delta_is_replayed_from(each_saver: Any) -> None:
    graph = build(each_saver)
    for number in range(1, 5):
        await graph.ainvoke({"script": [["delta", 1]]}, run_of(number))
    await each_saver.adelete_for_runs(["run 2", "run 3"])
    assert await deltas(graph) == [{"n": 1}] * 4
    stored = [one async for one in each_saver.alist(configured("t"))]
    assert {one.metadata["run_id"] for one in stored} == {"run 1", "run 4"}
    await each_saver.adelete_for_runs(["run 4"])
    assert await deltas(graph) == [{"n": 1}]


async def test_undoing_a_run_keeps_writes_that_a_surviving_checkpoint_was_made_from(each_saver: Any) -> None:
    graph = build(each_saver)
    await graph.ainvoke({"script": [["say", 1]]}, run_of(1))
    head = (await each_saver.aget_tuple(configured("t"))).config
    await each_saver.aput_writes(head | {"metadata": {"run_id": "run 2"}}, [("note", 1)], "task")
    await graph.ainvoke({"script": [["say", 2]]}, run_of(3))
    await each_saver.adelete_for_runs(["run 2"])
    assert ("task", "note", 1) in (await each_saver.aget_tuple(head)).pending_writes


async def test_undoing_a_run_takes_what_it_wrote_on_a_branch_that_was_left(each_saver: Any) -> None:
    graph = build(each_saver)
    await graph.ainvoke({"script": [["say", 1]]}, run_of(1))
    left = (await each_saver.aget_tuple(configured("t"))).config
    await each_saver.aput_writes(left | {"metadata": {"run_id": "run 2"}}, [("note", 1)], "task")
    oldest = [one async for one in each_saver.alist(configured("t"))][-1].config
    await graph.aupdate_state(oldest, {"log": [1]}, as_node="step")
    await each_saver.adelete_for_runs(["run 2"])
    assert (await each_saver.aget_tuple(left)).pending_writes == []


async def test_what_a_run_had_replaced_stands_again_once_it_is_undone(each_saver: Any) -> None:
    graph = build(each_saver)
    await graph.ainvoke({"script": [["say", 1]]}, run_of(1))
    head = (await each_saver.aget_tuple(configured("t"))).config
    for run, error in (("run 1", "first"), ("run 2", "second")):
        await each_saver.aput_writes(head | {"metadata": {"run_id": run}}, [("__error__", error)], "task")
    await each_saver.adelete_for_runs(["run 2"])
    assert (await each_saver.aget_tuple(head)).pending_writes == [("task", "__error__", "first")]


async def test_a_thread_whose_runs_were_all_undone_is_copied_and_copied_into_like_a_new_one(each_saver: Any) -> None:
    graph = build(each_saver)
    await graph.ainvoke({"script": [["say", 1]]}, run_of(1))
    await each_saver.adelete_for_runs(["run 1"])
    await each_saver.acopy_thread("t", "copy")
    await each_saver.acopy_thread("t", "copy")
    assert await each_saver.aget_tuple(configured("copy")) is None
    await graph.ainvoke({"script": [["say", 2]]}, run_of(2, "other"))
    await each_saver.acopy_thread("other", "copy")
    await each_saver.acopy_thread("other", "t")
    for thread in ("copy", "t"):
        assert [one.id for one in (await graph.aget_state(configured(thread))).values["messages"]] == ["m2"]


async def test_pruning_keeps_the_latest_state_and_what_it_is_replayed_from(each_saver: Any) -> None:
    graph = build(each_saver)
    for number in range(1, 8):
        await graph.ainvoke({"script": [["delta", number], ["say", number], ["inner", 0]]}, run_of(number))
        before = await graph.aget_state(configured("t"))
        await each_saver.aprune(["t", "never there"])
        await each_saver.aprune(["t"])
        assert (await graph.aget_state(configured("t"))).values == before.values
        spaces = [
            one.config["configurable"]["checkpoint_ns"]
            async for one in each_saver.alist({"configurable": {"thread_id": "t"}})
        ]
        assert len(spaces) == len(set(spaces))
    with pytest.raises(ValueError, match="keep_latest or delete"):
        await each_saver.aprune(["t"], strategy="some")


async def test_undoing_a_run_leaves_a_copy_alone(each_saver: Any) -> None:
    graph = build(each_saver)
    await graph.ainvoke({"script": [["say", 1], ["ask", 2]]}, run_of(1))
    await each_saver.acopy_thread("t", "copy")
    await each_saver.adelete_for_runs(["run 1"])
    assert await each_saver.aget_tuple(configured("t")) is None
    copied = await graph.aget_state(configured("copy"))
    assert [one.id for one in copied.values["messages"]] == ["m1"]
    assert copied.interrupts
    await graph.ainvoke({"script": [["say", 3]]}, run_of(2, "t"))
    with pytest.raises(ValueError, match="checkpoints of its own"):
        await each_saver.acopy_thread("copy", "t")


async def test_deleting_many_threads_leaves_the_others_and_the_bytes_go_with_them(each_saver: Any) -> None:
    graph = build(each_saver)
    for thread in ("a", "b", "c"):
        await graph.ainvoke({"script": [["say_many", 20]]}, run_of(1, thread))
    size = await each_saver.athread_bytes("a")
    assert set(size) == {"values", "checkpoints", "writes"}
    assert min(size.values()) > 0
    latest = await each_saver.aget_tuple(configured("b"))
    assert await each_saver.alatest_checkpoint_id("b") == latest.checkpoint["id"]
    await each_saver.adelete_threads(["a", "b"])
    assert [await each_saver.aget_tuple(configured(thread)) for thread in "ab"] == [None, None]
    assert await each_saver.athread_bytes("a") == {"values": 0, "checkpoints": 0, "writes": 0}
    assert await each_saver.alatest_checkpoint_id("a") is None
    assert await each_saver.aget_tuple(configured("c")) is not None
    checkpoints, stored = each_saver.written()
    assert checkpoints >= 6
    assert stored > 0
