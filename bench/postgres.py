"""`python -m bench.postgres`: how a thread grows in PostgreSQL, beside `checkpoints.db`; for docs/checkpoints.md.

Needs a server, which `TEST_POSTGRES_URI` names, or one at the usual port; makes a database there and drops it.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import END, START, StateGraph

from bench.checkpoints_work import NODES, TEXT, Chat, DeltaChat, config
from checkpoints import open_checkpointer
from checkpoints.postgres import PostgresState
from tests.postgres import fresh_database

LENGTHS = (10, 100, 200)

Opening = Callable[[], AbstractAsyncContextManager[Any]]


def words(chance: random.Random) -> str:
    """A text of the usual length that compresses as words do, not as one letter."""
    letters = "eeeetttaaooiinnsshhrrdlucmfwypvbgk"
    text = ""
    while len(text) < len(TEXT):
        text += "".join(chance.choices(letters, k=chance.randint(2, 9))) + " "
    return text[: len(TEXT)]


def build(saver: Any, state: Any) -> Any:
    chance = random.Random(1)

    async def answer(_: Any) -> Any:
        return {"messages": [AIMessage(words(chance), id=str(uuid4()))]}

    graph = StateGraph(state)
    for before, node in zip((START, *NODES), NODES, strict=False):
        graph.add_node(node, answer)
        graph.add_edge(before, node)
    graph.add_edge(NODES[-1], END)
    return graph.compile(checkpointer=saver)


async def sizes(opening: Opening, state: Any, measured: Callable[[], int]) -> list[int]:
    """Bytes at each length, measured while nothing is open, and after one turn more."""
    chance, done, found = random.Random(2), 0, []
    for goal in (*LENGTHS, LENGTHS[-1] + 1):
        async with opening() as saver:
            graph = build(saver, state)
            for _ in range(done, goal):
                await graph.ainvoke({"messages": [HumanMessage(words(chance), id=str(uuid4()))]}, config("long"))
        done = goal
        found.append(measured())
    return found


def row(name: str, found: list[int]) -> str:
    cells = [f"{size / 1e6:.1f} MB" for size in found[:-1]]
    return f"| {name} | {' | '.join(cells)} | {(found[-1] - found[-2]) / 1e3:.0f} kB |"


@asynccontextmanager
async def in_file(folder: Path) -> AsyncIterator[Any]:
    async with open_checkpointer(folder) as saver:
        yield saver
        await saver.flush()


def main() -> None:
    turns = " | ".join(f"{turns} turns" for turns in LENGTHS)
    sys.stdout.write(f"| | {turns} | the next turn adds |\n|{' --- |' * (len(LENGTHS) + 2)}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def file_bytes() -> int:
            return sum(file.stat().st_size for file in folder.glob("checkpoints.db*"))

        found = asyncio.run(sizes(lambda: in_file(folder), Chat, file_bytes))
        sys.stdout.write(row("`checkpoints.db`", found) + "\n")
    for title, state in (("PostgreSQL", Chat), ("PostgreSQL, messages in a `DeltaChannel`", DeltaChat)):
        with fresh_database() as uri:

            def table_bytes(uri: str = uri) -> int:
                with psycopg.connect(uri) as connection:
                    found = connection.execute(
                        """SELECT sum(pg_total_relation_size(oid)) FROM pg_class
                           WHERE relname IN ('checkpoints', 'checkpoint_blobs', 'checkpoint_writes')"""
                    ).fetchone()
                assert found is not None
                return int(found[0])

            found = asyncio.run(sizes(PostgresState(uri).open_checkpointer, state, table_bytes))
            sys.stdout.write(row(title, found) + "\n")


if __name__ == "__main__":
    main()
