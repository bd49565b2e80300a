"""A whole engine in the test's own process, at a clock that the test holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from langgraph.graph import START, MessagesState, StateGraph

from checkpoints import open_checkpointer, open_store
from threadkeep.clock import Clock
from threadkeep.config import Config, GraphSpec
from threadkeep.config_values import Target
from threadkeep.engine import Engine, open_engine
from threadkeep.settings import Settings

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class HeldClock:
    def __init__(self) -> None:
        self.moment = NOON + timedelta(seconds=1)
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds


@asynccontextmanager
async def opened(
    tmp_path: Path, clock: HeldClock, gate: asyncio.Event | None = None, *, database_uri: str = ""
) -> AsyncIterator[Engine]:
    """A whole engine with one graph, which waits for the gate if there is one."""

    async def answer(state: MessagesState) -> dict[str, Any]:
        if gate is not None:
            await gate.wait()
        return {"messages": [("ai", "done")]}

    graph = StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()
    async with serving(tmp_path, {"g": graph}, clock, database_uri=database_uri) as engine:
        yield engine


@asynccontextmanager
async def serving(
    tmp_path: Path, graphs: dict[str, Any], clock: Clock, *, database_uri: str = ""
) -> AsyncIterator[Engine]:
    """A whole engine with these graphs."""
    config = Config(tmp_path, {name: GraphSpec(Target(f"./{name}.py", "graph")) for name in graphs})
    async with open_engine(
        Settings(data_dir=tmp_path / "data", drain_seconds=0.1, database_uri=database_uri),
        config,
        graphs,
        open_saver=open_checkpointer,
        open_store=open_store,
        clock=clock,
    ) as engine:
        yield engine
