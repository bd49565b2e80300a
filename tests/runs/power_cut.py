"""An engine whose two files are on a disk that forgets what it was not told to sync, and its runs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from checkpoints import open_checkpointer, open_store
from tests.checkpoints.conftest import opened as opened_saver
from tests.checkpoints.power import ForgetfulDisk
from threadkeep.callers import EVERYONE
from threadkeep.config import Config, GraphSpec
from threadkeep.config_values import Target
from threadkeep.engine import Engine, open_engine
from threadkeep.runs.accept import AcceptedRun, RunRequest
from threadkeep.settings import Settings
from threadkeep.storage.sqlite import Disk

NOTHING_UNSYNCED_SURVIVES = None


class World:
    """A graph that counts its visits, and the disk that an engine of it is opened on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = ForgetfulDisk(f"early-{uuid4()}")
        self.visits: list[str] = []
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        self.synced = asyncio.Event()
        self.refuses: str | None = None
        """The log whose next sync fails, once."""
        self._loop = asyncio.get_running_loop()
        self._cuts = 0
        self.graph: Any = StateGraph(MessagesState).add_node("answer", self._answer).add_edge(START, "answer").compile()

    async def _answer(self, state: MessagesState) -> dict[str, Any]:
        asked = str(state["messages"][-1].content)
        self.visits.append(asked)
        match asked:
            case "fail":
                raise ValueError("on purpose")
            case "wait":
                self.reached.set()
                await self.gate.wait()
            case "ask":
                interrupt("what now?")
            case "model":
                model = GenericFakeChatModel(messages=iter([AIMessage("from a model")]))
                return {"messages": [await model.ainvoke("anything")]}
        return {"messages": [("ai", f"{asked}!")]}

    def _sync(self, log: str) -> None:
        if self.refuses == log:
            self.refuses = None
            raise OSError(5, "Input/output error")
        self.disk.sync(log)

    def _sync_server(self, _wal: int) -> None:
        self._sync("server.db-wal")
        self._loop.call_soon_threadsafe(self.synced.set)

    def power_cut(self, chance: random.Random | None = NOTHING_UNSYNCED_SURVIVES) -> Path:
        """The data folder as the next start finds it, if the power goes now."""
        self._cuts += 1
        folder = self.folder / f"after-{self._cuts}"
        self.disk.after_power_cut(folder, chance)
        return folder

    @asynccontextmanager
    async def opened(self, data_dir: Path | None = None, **settings: Any) -> AsyncIterator[Engine]:
        """On the forgetful disk, or, with a folder that a power cut left, on the machine's own."""

        @asynccontextmanager
        async def forgetful_saver(folder: Path, **_: Any) -> AsyncIterator[Any]:
            sync = partial(self._sync, "checkpoints.db-wal")
            async with opened_saver(folder / "checkpoints.db", vfs=self.disk.name, sync_wal=sync) as saver:
                yield saver

        async with open_engine(
            Settings(data_dir=data_dir or self.folder / "data", webhook_trusted_hosts=("127.0.0.1",), **settings),
            Config(self.folder, {"g": GraphSpec(Target("./g.py", "graph"))}),
            {"g": self.graph},
            open_saver=forgetful_saver if data_dir is None else open_checkpointer,
            open_store=open_store,
            disk=Disk(self.disk.name, self._sync_server) if data_dir is None else None,
        ) as engine:
            yield engine


async def accepted(engine: Engine, text: str, thread_id: str | None = None, **asked: Any) -> AcceptedRun:
    """As `POST /threads/{id}/runs/wait` has it accepted: nobody is told of the run before it has ended."""
    request = RunRequest("g", input={"messages": text}, if_not_exists="create", **asked)
    return await engine.acceptance.accept(request, EVERYONE, thread_id=thread_id or str(uuid4()), told=False)


async def answer_of(run: AcceptedRun) -> Any:
    assert run.stream is not None
    async with asyncio.timeout(30):
        assert await run.stream.until_over()
    return run.stream.result


async def answered(engine: Engine, text: str, thread_id: str | None = None, **asked: Any) -> AcceptedRun:
    run = await accepted(engine, text, thread_id, **asked)
    await answer_of(run)
    return run
