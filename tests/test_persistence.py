"""What `store.path` and `checkpointer.path` of `langgraph.json` may name, and what is said of anything else."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from checkpoints import open_checkpointer, open_store
from tests.api_requirements import requirement
from threadkeep.clock import SystemClock
from threadkeep.config import Config, GraphSpec
from threadkeep.config_values import Target
from threadkeep.errors import StartupError
from threadkeep.persistence import open_saver_of, open_store_of
from threadkeep.storage_config import CheckpointerConfig, IndexConfig, StoreConfig

FILE = "mine-own.py"
SOURCE = """
from contextlib import asynccontextmanager, contextmanager
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

closed = []
thing = InMemoryStore()
number = 3

def plain():
    return InMemoryStore()

async def later():
    return InMemoryStore()

@contextmanager
def kept():
    yield InMemoryStore()
    closed.append("kept")

@asynccontextmanager
async def kept_later():
    yield InMemoryStore()
    closed.append("kept_later")

@asynccontextmanager
async def saver():
    yield InMemorySaver()

def cannot():
    raise RuntimeError("no such cluster")

@asynccontextmanager
async def cannot_later():
    raise OSError("no such cluster")
    yield
"""


def configured(folder: Path, *, store: StoreConfig | None = None, saver: str | None = None) -> Config:
    (folder / FILE).write_text(SOURCE)
    checkpointer = CheckpointerConfig(None if saver is None else Target(FILE, saver))
    graphs = {"g": GraphSpec(Target("./g.py", "graph"))}
    return Config(folder, graphs, store=store or StoreConfig(), checkpointer=checkpointer)


@requirement("config.store_path")
@pytest.mark.parametrize("name", ["thing", "plain", "later", "kept", "kept_later"])
async def test_a_store_may_be_named_in_every_form(tmp_path: Path, name: str) -> None:
    config = configured(tmp_path, store=StoreConfig(Target(FILE, name)))
    async with AsyncExitStack() as stack:
        store = await open_store_of(config, tmp_path, open_store, stack, SystemClock())
        assert isinstance(store, InMemoryStore)
    assert not (tmp_path / "items.db").exists()


@requirement("config.store_path")
async def test_a_checkpointer_is_best_a_context_manager(tmp_path: Path) -> None:
    config = configured(tmp_path, saver="saver")
    async with AsyncExitStack() as stack:
        assert isinstance(await open_saver_of(config, tmp_path, open_checkpointer, stack), InMemorySaver)


@requirement("config.store_path")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("number", "gives a int; it must give a BaseStore"),
        ("saver", "gives a InMemorySaver; it must give a BaseStore"),
        ("absent", "has no `absent`"),
        ("cannot", "no such cluster"),
        ("cannot_later", "no such cluster"),
    ],
)
async def test_what_gives_no_store_stops_the_start_with_its_place(tmp_path: Path, name: str, words: str) -> None:
    config = configured(tmp_path, store=StoreConfig(Target(FILE, name)))
    async with AsyncExitStack() as stack:
        with pytest.raises(StartupError, match=words) as refused:
            await open_store_of(config, tmp_path, open_store, stack, SystemClock())
    assert str(refused.value).startswith("`store.path` in langgraph.json")


async def test_a_store_that_cannot_be_opened_is_told_in_a_line(tmp_path: Path) -> None:
    config = configured(tmp_path)
    async with open_store(tmp_path), open_checkpointer(tmp_path), AsyncExitStack() as stack:
        with pytest.raises(StartupError, match=r"The store cannot be opened: .*already open"):
            await open_store_of(config, tmp_path, open_store, stack, SystemClock())
        with pytest.raises(StartupError, match=r"The checkpointer cannot be opened: .*already open"):
            await open_saver_of(config, tmp_path, open_checkpointer, stack)


async def test_what_cannot_embed_is_refused_by_name(tmp_path: Path) -> None:
    config = configured(tmp_path, store=StoreConfig(index=IndexConfig(3, Target(FILE, "number"))))
    async with AsyncExitStack() as stack:
        with pytest.raises(StartupError, match=r"`store.index.embed` in langgraph.json names a int"):
            await open_store_of(config, tmp_path, open_store, stack, SystemClock())
