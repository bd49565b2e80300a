"""The work that `bench.checkpoints` gives to each checkpointer: a chat of four super-steps a turn, and bare puts."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from checkpoints import open_checkpointer
from checkpoints.file import open_file
from checkpoints.saver import SegmentSaver
from checkpoints.stock import open_checkpointer as open_stock

TEXT = "x" * 500
MESSAGES_A_TURN = 4
NODES = ("a", "b", "c")
CLIENTS = 64


class Chat(TypedDict):
    messages: Annotated[list[Any], add_messages]


class DeltaChat(TypedDict):
    messages: Annotated[list[Any], DeltaChannel(lambda state, writes: [*state, *(m for w in writes for m in w)])]


async def answer(state: Any) -> Any:
    return {"messages": [AIMessage(TEXT, id=str(uuid4()))]}


def question() -> HumanMessage:
    return HumanMessage(TEXT, id=str(uuid4()))


def build(saver: Any, state: Any = Chat) -> Any:
    graph = StateGraph(state)
    for before, node in zip((START, *NODES), NODES, strict=False):
        graph.add_node(node, answer)
        graph.add_edge(before, node)
    graph.add_edge(NODES[-1], END)
    return graph.compile(checkpointer=saver)


@dataclass
class Subject:
    """A checkpointer to be measured; `settle` makes a turn power-safe where the saver does not do so by itself."""

    name: str
    graph: Any
    file: Path | None
    settle: Callable[[], Awaitable[None]]


async def _nothing() -> None:
    return None


@asynccontextmanager
async def subject(name: str, folder: Path) -> AsyncIterator[Subject]:
    """`none`, `memory`, `stock`, `stock + DeltaChannel`, `ours` or `ours, FULL`, in a folder of its own.

    FULL is `synchronous=FULL`: every commit waits for the disk, where ours else waits once, at a turn's end.
    """
    home = folder / uuid4().hex
    if name in ("none", "memory"):
        yield Subject(name, build(InMemorySaver() if name == "memory" else None), None, _nothing)
    elif name.startswith("ours"):
        async with open_checkpointer(home) as saver:
            if "FULL" in name:
                saver._file.journal.writer.pragma("synchronous", "FULL")
            yield Subject(name, build(saver), home / "checkpoints.db", saver.flush)
    else:
        async with open_stock(home) as stock:
            state = DeltaChat if "Delta" in name else Chat
            yield Subject(name, build(stock, state), home / "checkpoints-stock.db", _nothing)


def config(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


async def turn_ms(one: Subject, thread: str, history: list[Any]) -> float:
    """Milliseconds of one turn. Without a saver the history is given, and the caller keeps it."""
    given = {"messages": [*history, question()]}
    start = time.perf_counter()
    await one.graph.ainvoke(given, config(thread))
    await one.settle()
    return (time.perf_counter() - start) * 1000


async def read_ms(one: Subject, thread: str) -> float:
    start = time.perf_counter()
    await one.graph.aget_state(config(thread))
    return (time.perf_counter() - start) * 1000


@dataclass
class Point:
    """A thread of so many turns: medians of its next turns and reads in milliseconds, and its bytes once closed."""

    turn: float
    read: float
    size: int = 0


async def long_thread(one: Subject, turns: list[int], samples: int) -> dict[int, Point]:
    """Grow one thread and measure at each length."""
    points: dict[int, Point] = {}
    done = 0
    for goal in turns:
        for _ in range(done, goal):
            await turn_ms(one, "long", [])
        taken, reads = [], []
        for _ in range(samples):
            taken.append(await turn_ms(one, "long", []))
            reads.append(await read_ms(one, "long"))
        done = goal + samples
        points[goal] = Point(statistics.median(taken), statistics.median(reads))
    return points


async def without_saver(one: Subject, turns: list[int], samples: int) -> dict[int, float]:
    """The same turn on a graph that stores nothing, with the whole history as its input."""
    return {
        goal: statistics.median([await turn_ms(one, "", history) for _ in range(samples)])
        for goal in turns
        if (history := [question() for _ in range(goal * MESSAGES_A_TURN)])
    }


async def turns_per_second(one: Subject, turns: int) -> float:
    """Chats of so many turns at once; without a saver each client sends its history along."""

    async def client(thread: str) -> None:
        history: list[Any] = []
        for _ in range(turns):
            await turn_ms(one, thread, history)
            if one.name == "none":
                history += [question() for _ in range(MESSAGES_A_TURN)]

    start = time.perf_counter()
    await asyncio.gather(*(client(uuid4().hex) for _ in range(CLIENTS)))
    return CLIENTS * turns / (time.perf_counter() - start)


async def many_threads(folder: Path, counts: list[int], samples: int) -> list[float]:
    """Median milliseconds to read the state of a thread that is not in memory, among so many; in turn among each."""
    async with AsyncExitStack() as stack:
        among: list[tuple[int, Any, list[float]]] = []
        for count in counts:
            (folder / str(count)).mkdir()
            opening = open_file(folder / str(count) / "checkpoints.db", hot_bytes=1)
            saver = SegmentSaver(await stack.enter_async_context(opening))
            for start in range(0, count, 100):
                await asyncio.gather(*(put_thread(saver, f"t{number}") for number in range(start, start + 100)))
            among.append((count, build(saver), []))
        chance = random.Random(1)
        for _ in range(samples):
            for count, graph, reads in among:
                thread = f"t{chance.randrange(count)}"
                start_at = time.perf_counter()
                await graph.aget_state(config(thread))
                reads.append((time.perf_counter() - start_at) * 1000)
        return [statistics.median(reads) for _, _, reads in among]


async def put_thread(saver: SegmentSaver, thread: str) -> None:
    """Two turns as a graph leaves them, without running one."""
    messages: list[Any] = []
    version, parent = None, None
    for step in range(2):
        messages += [question(), AIMessage(TEXT, id=str(uuid4()))]
        version = saver.get_next_version(version, None)
        checkpoint = empty_checkpoint() | {
            "id": str(uuid6(clock_seq=step)),
            "channel_values": {"messages": list(messages)},
            "channel_versions": {"messages": version},
        }
        target: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": parent}}
        stored: Any = await saver.aput(target, checkpoint, {"source": "loop", "step": step}, {"messages": version})  # type: ignore[arg-type]
        parent = stored["configurable"]["checkpoint_id"]
        await saver.aput_writes(stored, [("messages", messages[-1:])], str(uuid4()), "~__pregel_pull, a")
