"""Whatever a thread goes through, every state and every history is what InMemorySaver answers."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.errors import EmptyInputError, GraphRecursionError, InvalidUpdateError

from checkpoints.postgres import PostgresState
from tests.checkpoints.conftest import opened
from tests.checkpoints.program import TURNS, Turn, build
from tests.checkpoints.reference import Compared, Reference, configured

# The act "fail", and what LangGraph answers to turns that do not fit where the thread stands.
REFUSALS = (ZeroDivisionError, ValueError, KeyError, EmptyInputError, InvalidUpdateError, GraphRecursionError)
SOAK = bool(os.environ.get("SOAK"))
EXAMPLES = 600 if SOAK else 100
MOST_THREADS = 3

pytestmark = pytest.mark.timeout(3600 if SOAK else 120)

Opening = Callable[[], AbstractAsyncContextManager[Any]]


class Life:
    """Carries out turns on one thread, comparing all the while."""

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.reference = Reference()
        self.stack = AsyncExitStack()
        self.threads = ["t"]
        self.runs = 0

    async def open(self) -> None:
        await self.stack.aclose()
        saver = await self.stack.enter_async_context(self.opening())
        self.saver = Compared(saver, self.reference)
        self.graph = build(self.saver)

    async def do(self, turn: Turn) -> None:
        thread = self.threads[turn.at % len(self.threads)]
        match turn.kind:
            case "run":
                await self.run(turn, turn.input(), configured(thread))
            case "resume":
                await self.run(turn, turn.resume(), configured(thread))
            case "fork":
                await self.run(turn, turn.input() if turn.at % 2 else None, await self.past(thread, turn.at))
            case "update":
                await self.update(turn, await self.past(thread, turn.at))
            case "prune":
                self.reference.keep_latest(thread)
                await self.saver.saver.aprune([thread])
                await self.saver.saver.aprune([thread])
            case "remove_run":
                run = f"run {max(self.runs - turn.at % 3, 0)}"
                self.reference.remove_run(run)
                await self.saver.saver.adelete_for_runs([run])
            case "reopen":
                await self.open()
            case "copy":
                await self.copy_and_delete(thread)
            case "branch" if len(self.threads) < MOST_THREADS:
                await self.branch(thread, f"t{len(self.threads)}")

    async def run(self, turn: Turn, given: Any, config: Any) -> None:
        self.runs += 1
        config = config | {"metadata": {"run_id": f"run {self.runs}"}, "recursion_limit": 30}
        with suppress(*REFUSALS):
            await self.graph.ainvoke(given, config, durability=turn.durability)

    async def update(self, turn: Turn, config: Any) -> None:
        values = {"messages": [("user", f"update {turn.at}")], "log": [turn.at], "deltas": [turn.at]}
        await self.graph.aupdate_state(config, values, as_node="step")

    async def past(self, thread: str, back: int) -> Any:
        history = [one async for one in self.saver.alist(configured(thread), limit=back + 1)]
        return history[-1].config if history else configured(thread)

    async def copy_and_delete(self, thread: str) -> None:
        """The copy reads like the original, and goes without a trace in it."""
        saver = self.saver.saver
        await saver.acopy_thread(thread, "copy")
        await saver.acopy_thread(thread, "copy")
        ours = [one async for one in saver.alist({"configurable": {"thread_id": "copy"}})]
        theirs = [one async for one in saver.alist({"configurable": {"thread_id": thread}})]
        assert [one.config["configurable"]["checkpoint_id"] for one in ours] == [
            one.config["configurable"]["checkpoint_id"] for one in theirs
        ]
        for one, other in zip(ours, theirs, strict=True):
            assert self.saver.plain(one.checkpoint) == self.saver.plain(other.checkpoint)
            assert self.saver.plain(one.pending_writes) == self.saver.plain(other.pending_writes)
        await saver.adelete_thread("copy")
        await saver.adelete_thread("copy")

    async def branch(self, thread: str, copy: str) -> None:
        """A copy that has a life of its own from here on."""
        self.reference.copy_thread(thread, copy)
        await self.saver.saver.acopy_thread(thread, copy)
        self.threads.append(copy)

    async def compare_everything(self) -> None:
        for thread in self.threads:
            async for one in self.saver.alist({"configurable": {"thread_id": thread}}):
                await self.saver.aget_tuple(one.config)
            for config in (configured(thread), configured(thread, "inner")):
                await self.saver.aget_tuple(config)
            await self.graph.aget_state(configured(thread), subgraphs=True)
            _ = [one async for one in self.graph.aget_state_history(configured(thread))]


async def live(turns: list[Turn], opening: Opening, leftovers: Callable[[Any], int]) -> None:
    life = Life(opening)
    await life.open()
    async with life.stack:
        for turn in turns:
            await life.do(turn)
        await life.compare_everything()
        await life.open()
        await life.compare_everything()
        for thread in life.threads:
            life.reference.remove_thread(thread)
            await life.saver.saver.adelete_thread(thread)
            await life.compare_everything()
        await life.saver.saver.flush()
        assert leftovers(life.saver.saver) == 0


LIVES: dict[str, Any] = {
    "max_examples": EXAMPLES,
    "deadline": None,
    "derandomize": not SOAK,
    "suppress_health_check": list(HealthCheck),
}


@settings(**LIVES)
@given(turns=st.lists(TURNS, min_size=1, max_size=10), hot_bytes=st.sampled_from([64_000_000, 1]))
def test_every_state_and_history_is_what_the_reference_answers(turns: list[Turn], hot_bytes: int) -> None:
    def leftovers(saver: Any) -> int:
        """Rows that belong to no thread any more."""
        writer = saver._file.journal.writer
        return sum(writer.execute(f"SELECT count(*) FROM {table}").get for table in ("body", "entry", "block", "run"))

    with TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoints.db"
        asyncio.run(live(turns, lambda: opened(path, hot_bytes=hot_bytes), leftovers))


@settings(**{**LIVES, "max_examples": EXAMPLES // 4})
@given(turns=st.lists(TURNS, min_size=1, max_size=10))
def test_on_postgres_too(postgres_uri: str, turns: list[Turn]) -> None:
    tables = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")

    def leftovers(_: Any) -> int:
        with psycopg.connect(postgres_uri) as connection:
            return sum(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)

    asyncio.run(live(turns, PostgresState(postgres_uri).open_checkpointer, leftovers))
    assert leftovers(None) == 0
