"""The stock saver and store, as this project opens them."""

import asyncio
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from checkpoints.ownership import FileInUseError
from checkpoints.stock import open_checkpointer, open_store


class Count(TypedDict):
    n: int


@dataclass
class Tracer:
    """Stands for any type whose construction on load would be code execution."""

    name: str
    built: ClassVar[list[str]] = []

    def __post_init__(self) -> None:
        self.built.append(self.name)


def counting_graph(saver: Any) -> Any:
    graph = StateGraph(Count)
    graph.add_node("add", lambda state: {"n": state["n"] + 1})
    graph.add_edge(START, "add")
    graph.add_edge("add", END)
    return graph.compile(checkpointer=saver)


async def test_state_written_through_the_stock_saver_is_there_after_reopening(tmp_path: Path) -> None:
    config: Any = {"configurable": {"thread_id": "t"}}
    async with open_checkpointer(tmp_path) as saver:
        await counting_graph(saver).ainvoke({"n": 1}, config)
    async with open_checkpointer(tmp_path) as saver:
        assert (await counting_graph(saver).aget_state(config)).values == {"n": 2}


async def test_without_an_argument_the_environment_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "elsewhere"))
    async with open_checkpointer(), open_store():
        assert (tmp_path / "elsewhere" / "checkpoints-stock.db").exists()
        assert (tmp_path / "elsewhere" / "store.db").exists()


async def test_the_folder_and_its_files_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with open_checkpointer(folder) as saver, open_store(folder) as store:
        await store.aput(("a",), "k", {"v": 1})
        await counting_graph(saver).ainvoke({"n": 1}, {"configurable": {"thread_id": "t"}})
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert set(modes.values()) == {0o600}, modes


async def test_commits_are_synchronous_in_wal_mode(tmp_path: Path) -> None:
    async with open_checkpointer(tmp_path) as saver, open_store(tmp_path) as store:
        for connection in (saver.conn, store.conn):
            for pragma, value in (("journal_mode", "wal"), ("synchronous", 2)):
                async with connection.execute(f"PRAGMA {pragma}") as cursor:
                    row = await cursor.fetchone()
                assert row is not None
                assert row[0] == value


async def test_a_type_that_nobody_allowed_is_not_rebuilt_on_load(tmp_path: Path) -> None:
    async with open_checkpointer(tmp_path) as saver:
        written = saver.serde.dumps_typed(Tracer("on disk"))
        Tracer.built.clear()
        assert not isinstance(saver.serde.loads_typed(written), Tracer)
        assert Tracer.built == []


async def test_a_second_opener_in_the_same_process_is_refused_with_the_remedy(tmp_path: Path) -> None:
    async with open_checkpointer(tmp_path):
        with pytest.raises(FileInUseError, match="own DATA_DIR"):
            async with open_checkpointer(tmp_path):
                pass
    async with open_checkpointer(tmp_path):
        pass


async def test_another_process_is_refused_while_the_file_is_owned_and_served_afterwards(tmp_path: Path) -> None:
    opener = f"""
import asyncio, pathlib
from checkpoints.stock import open_store
async def main():
    async with open_store(pathlib.Path({str(tmp_path)!r})):
        print("opened")
asyncio.run(main())
"""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", opener], capture_output=True, text=True, timeout=60)

    async with open_store(tmp_path):
        refused = await asyncio.to_thread(run)
    assert "FileInUseError" in refused.stderr
    assert (await asyncio.to_thread(run)).stdout == "opened\n"
