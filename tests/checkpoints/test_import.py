"""What LangGraph's own saver has stored is read the same from our file after an import."""

import asyncio
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checkpoints import import_stock, open_checkpointer
from checkpoints.import_stock import unimported
from checkpoints.stock import open_checkpointer as open_stock
from tests.checkpoints.program import build
from tests.checkpoints.reference import Compared, Reference, configured, key_of
from tests.checkpoints.test_sharing import Settings

SCRIPT = [
    *[["say", number] for number in range(12)],
    *(["edit", 3], ["edit_unsaid", 4], ["replace", 5], ["remove", 6], ["log", 6], ["log_in_place", 1]),
    *(["delta", 2], ["delta", 5], ["note", 3], ["spread", 2], ["inner", 0], ["note", 8], ["ask", 1]),
]


async def stock_threads(folder: Path) -> dict[tuple[str, str, str], Any]:
    """Run threads on the stock saver, with forks, updates and an interrupt; returns all it has stored."""
    async with open_stock(folder) as saver:
        allowing = saver.with_allowlist([(Settings.__module__, "Settings")])
        graph = build(allowing)
        for thread in ("a", "b"):
            config = configured(thread) | {"metadata": {"run_id": f"run {thread}"}, "recursion_limit": 100}
            await graph.ainvoke({"script": SCRIPT}, config)
            await graph.aupdate_state(configured(thread), {"log": [{"n": 1}], "note": Settings()}, as_node="step")
            history = [one async for one in saver.alist(configured(thread))]
            await graph.ainvoke({"script": [["say", 99]]}, history[10].config)
        return {key_of(one): one async for one in allowing.alist(None)}


async def test_everything_is_the_same_after_an_import(tmp_path: Path) -> None:
    stored = await stock_threads(tmp_path)
    imported = await import_stock(tmp_path)
    assert (imported.threads, imported.checkpoints, imported.skipped) == (2, len(stored), 0)
    async with open_checkpointer(tmp_path) as bare:
        saver = bare.with_allowlist([(Settings.__module__, "Settings")])
        same = Compared(saver, Reference()).same  # type: ignore[arg-type]
        ours = {key_of(one): one async for one in saver.alist(None)}
        assert ours.keys() == stored.keys()
        for key, one in ours.items():
            same(one, stored[key])
        graph = build(saver)
        async with open_stock(tmp_path) as stock:
            theirs = build(stock.with_allowlist([(Settings.__module__, "Settings")]))
            for thread in ("a", "b"):
                assert (await graph.aget_state(configured(thread))).values == (
                    await theirs.aget_state(configured(thread))
                ).values
        await graph.ainvoke({"script": [["say", 1000]]}, configured("a"))
        assert (await graph.aget_state(configured("a"))).values["messages"][-1].id == "m1000"
        assert (tmp_path / "checkpoints.db").stat().st_size < (tmp_path / "checkpoints-stock.db").stat().st_size / 2


async def test_an_import_done_again_changes_nothing(tmp_path: Path) -> None:
    stored = await stock_threads(tmp_path)
    await import_stock(tmp_path)
    again = await import_stock(tmp_path)
    assert (again.threads, again.skipped) == (0, 2)
    async with open_checkpointer(tmp_path) as saver:
        assert {key_of(one) async for one in saver.alist(None)} == stored.keys()


async def test_an_import_that_is_killed_can_be_started_again(tmp_path: Path) -> None:
    stored = await stock_threads(tmp_path)
    killed = f"""
import asyncio, os, pathlib
from checkpoints import import_stock, removal
rename, renamed = removal.rename_thread, []
def once(*args):
    if renamed:
        os._exit(137)
    renamed.append(rename(*args))
removal.rename_thread = once
asyncio.run(import_stock(pathlib.Path({str(tmp_path)!r})))
"""
    ended = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", killed], timeout=60, check=False)
    assert ended.returncode == 137
    async with open_checkpointer(tmp_path) as saver:
        threads = {key_of(one)[0] async for one in saver.alist(None)}
        assert len(threads & {"a", "b"}) == 1
    assert (await import_stock(tmp_path)).skipped == 1
    async with open_checkpointer(tmp_path) as saver:
        assert {key_of(one) async for one in saver.alist(None)} == stored.keys()


async def test_a_stock_file_that_was_not_imported_is_spoken_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_checkpointer(tmp_path):
        assert unimported(tmp_path) is None
    await stock_threads(tmp_path)
    with caplog.at_level(logging.WARNING, logger="checkpoints"):
        async with open_checkpointer(tmp_path):
            assert "python server.py import" in caplog.text
    caplog.clear()
    await import_stock(tmp_path)
    async with open_checkpointer(tmp_path):
        assert caplog.text == ""


async def test_without_a_stock_file_there_is_nothing_to_import(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await import_stock(tmp_path)
