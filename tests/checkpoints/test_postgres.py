"""Thread state in PostgreSQL: shared by many, at odds with nobody, and patient with a database that goes away."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

import psycopg
import pytest
from langgraph.graph import END, START, StateGraph
from psycopg import sql
from typing_extensions import TypedDict

from checkpoints.postgres import PostgresState
from checkpoints.postgres.pool import DatabaseUnavailableError
from checkpoints.postgres.saver import PostgresSaver
from tests.checkpoints.program import build
from tests.checkpoints.reference import configured

SECONDS = 60  # no test takes this long unless something hangs


class Note(TypedDict):
    note: Any


def noting(saver: Any) -> Any:
    graph = StateGraph(Note)
    graph.add_node("keep", lambda state: {"note": state["note"]})
    graph.add_edge(START, "keep")
    graph.add_edge("keep", END)
    return graph.compile(checkpointer=saver)


def administer(uri: str, statement: str, *arguments: Any) -> list[Any]:
    """What somebody with another connection, to another database, does to this one."""
    with psycopg.connect(urlsplit(uri)._replace(path="/postgres").geturl(), autocommit=True) as connection:
        database = urlsplit(uri).path[1:]
        cursor = connection.execute(sql.SQL(statement).format(database=sql.Identifier(database)), arguments)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def cut_connections(uri: str) -> int:
    database = urlsplit(uri).path[1:]
    return len(administer(uri, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", database))


@contextmanager
def no_connections(uri: str) -> Iterator[None]:
    """The database refuses everybody, and has thrown out whoever was there."""
    administer(uri, "ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    cut_connections(uri)
    yield
    administer(uri, "ALTER DATABASE {database} ALLOW_CONNECTIONS true")


async def test_what_one_server_stored_another_reads_and_goes_on_from(postgres_uri: str) -> None:
    state = PostgresState(postgres_uri)
    async with state.open_checkpointer() as one, state.open_checkpointer() as other:
        for number, saver in enumerate([one, other, one]):
            await build(saver).ainvoke({"script": [["say", number]]}, configured("t"))
        assert len((await build(other).aget_state(configured("t"))).values["messages"]) == 3


async def test_more_runs_than_connections_wait_for_nobody_but_the_database(postgres_saver: PostgresSaver) -> None:
    graph = build(postgres_saver)

    async def run(number: int) -> None:
        for turn in range(3):
            await graph.ainvoke({"script": [["spread", 2], ["say", turn], ["inner", 0]]}, configured(f"t{number}"))
        history = [one async for one in graph.aget_state_history(configured(f"t{number}"))]
        assert len(history) > 9

    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*map(run, range(64)))


async def test_runs_go_on_when_the_database_cuts_every_connection(postgres_uri: str) -> None:
    async with PostgresState(postgres_uri).open_checkpointer() as saver:
        graph = build(saver)
        done = 0

        async def run(number: int) -> None:
            nonlocal done
            for turn in range(10):
                await graph.ainvoke({"script": [["say", turn]]}, configured(f"t{number}"))
                done += 1

        async def disturb() -> int:
            cut, seen = 0, 0
            while done < 80:
                if done >= seen + 10:
                    seen = done
                    cut += await asyncio.to_thread(cut_connections, postgres_uri)
                await asyncio.sleep(0)
            return cut

        async with asyncio.timeout(SECONDS):
            cut, *_ = await asyncio.gather(disturb(), *map(run, range(8)))
        assert cut > 5
        for number in range(8):
            state = await graph.aget_state(configured(f"t{number}"))
            assert [one.id for one in state.values["messages"]] == [f"m{turn}" for turn in range(10)]


async def test_an_absent_database_is_told_in_words_and_used_again_when_it_is_back(postgres_uri: str) -> None:
    class OurError(Exception):
        pass

    state = PostgresState(postgres_uri, unavailable=OurError, patience_seconds=3)
    async with state.open_checkpointer() as saver, asyncio.timeout(SECONDS):
        graph = build(saver)
        await graph.ainvoke({"script": [["say", 1]]}, configured("t"))

        async def listed() -> None:
            _ = [one async for one in saver.alist(configured("t"))]

        with no_connections(postgres_uri):
            refused = await asyncio.gather(
                saver.aget_tuple(configured("t")),
                listed(),
                saver.adelete_for_runs(["run"]),
                saver.aget_delta_channel_history(config=configured("t", "", "id"), channels=["deltas"]),
                return_exceptions=True,
            )
        assert [type(one) for one in refused] == [OurError] * 4
        assert "cannot be used at the moment" in str(refused[0])
        await graph.ainvoke({"script": [["say", 2]]}, configured("t"))
        assert len((await graph.aget_state(configured("t"))).values["messages"]) == 2


async def test_a_short_absence_is_waited_for(postgres_uri: str) -> None:
    async with PostgresState(postgres_uri).open_checkpointer() as saver, asyncio.timeout(SECONDS):
        graph = build(saver)
        await graph.ainvoke({"script": [["say", 1]]}, configured("t"))
        with no_connections(postgres_uri):
            run = asyncio.create_task(graph.ainvoke({"script": [["say", 2]]}, configured("t")))
            done, _ = await asyncio.wait({run}, timeout=0.3)
            assert not done
        assert len((await run)["messages"]) == 2


async def test_many_servers_that_start_at_once_make_the_tables_once(postgres_uri: str) -> None:
    program = f"""
import asyncio
from checkpoints.postgres import PostgresState
async def main():
    async with PostgresState({postgres_uri!r}).open_checkpointer() as saver:
        print(await saver.aget_tuple({{"configurable": {{"thread_id": "t"}}}}))
asyncio.run(main())
"""
    started = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = await asyncio.gather(*(asyncio.to_thread(one.communicate, timeout=SECONDS) for one in started))
    assert [output for output, _ in said] == ["None\n"] * 4
    async with AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(PostgresState(postgres_uri).open_checkpointer())
    with psycopg.connect(postgres_uri) as connection:
        assert connection.execute("SELECT array_agg(v ORDER BY v) FROM checkpoint_additions").fetchone() == (
            [0, 1, 2, 3, 4],
        )


async def test_tables_of_langgraphs_own_saver_are_taken_over(postgres_uri: str) -> None:
    async with stock(postgres_uri) as theirs:
        await theirs.setup()
        await build(theirs).ainvoke({"script": [["say", 1], ["ask", 2]]}, configured("t"))
    async with PostgresState(postgres_uri).open_checkpointer() as ours:
        state = await build(ours).aget_state(configured("t"))
        assert [one.id for one in state.values["messages"]] == ["m1"]
        assert state.interrupts
        await build(ours).ainvoke({"script": [["say", 3]]}, configured("t"))
    async with stock(postgres_uri) as theirs:
        assert len((await build(theirs).aget_state(configured("t"))).values["messages"]) == 2


def stock(uri: str) -> Any:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    return AsyncPostgresSaver.from_conn_string(uri)


@pytest.mark.parametrize(
    "value",
    ["\x00", "long " * 100, "line\nline", float("nan"), float("inf"), 2**62, 1.0, True, "",
     None, {"k": "\x00"}, b"\x00"],
    ids=repr,
)  # fmt: skip
async def test_every_value_comes_back_as_it_was(postgres_saver: PostgresSaver, value: Any) -> None:
    graph = noting(postgres_saver)
    await graph.ainvoke({"note": value}, configured("t"))
    found = (await graph.aget_state(configured("t"))).values["note"]
    assert repr(found) == repr(value)
    assert type(found) is type(value)


async def test_a_nul_in_the_name_of_some_metadata_is_replaced(postgres_saver: PostgresSaver) -> None:
    graph = noting(postgres_saver)
    await graph.ainvoke({"note": 1}, {**configured("t"), "metadata": {"a\0b": "c\0d"}})
    found = (await graph.aget_state(configured("t"))).metadata
    assert found is not None
    assert dict(found)["a\ufffdb"] == "cd"


@dataclass
class Tracer:
    """Stands for any type whose construction on load would be code execution."""

    name: str
    built: ClassVar[list[str]] = []

    def __post_init__(self) -> None:
        self.built.append(self.name)


async def test_a_type_that_nobody_allowed_is_not_rebuilt_on_load(postgres_saver: PostgresSaver) -> None:
    graph = noting(postgres_saver)
    await graph.ainvoke({"note": Tracer("stored")}, configured("t"))
    Tracer.built.clear()
    assert not isinstance((await graph.aget_state(configured("t"))).values["note"], Tracer)
    assert Tracer.built == []
    allowing = postgres_saver.with_allowlist([(Tracer.__module__, "Tracer")])
    assert isinstance((await noting(allowing).aget_state(configured("t"))).values["note"], Tracer)


async def test_a_value_is_stored_as_it_was_when_the_put_began(postgres_saver: PostgresSaver) -> None:
    graph = noting(postgres_saver)
    await graph.ainvoke({"note": ["first"]}, configured("t"))
    stored = await postgres_saver.aget_tuple(configured("t"))
    assert stored is not None
    growing = ["as it was"]
    put = asyncio.create_task(postgres_saver.aput_writes(stored.config, [("note", growing)], "task"))
    await asyncio.sleep(0)
    growing.append("too late")
    await put
    again = await postgres_saver.aget_tuple(stored.config)
    assert again is not None
    assert again.pending_writes == [("task", "note", ["as it was"])]


@pytest.mark.parametrize(
    ("uri", "error", "words"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", DatabaseUnavailableError, "refused"),
        ("postgresql://a host/", ValueError, "no address"),
        ("mysql", ValueError, "no address"),
    ],
)
async def test_a_database_that_cannot_be_opened_is_refused_in_words(
    uri: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        async with PostgresState(uri).open_checkpointer():
            pass


async def test_a_database_that_forgets_commits_is_spoken_of(
    postgres_uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    administer(postgres_uri, "ALTER DATABASE {database} SET synchronous_commit = off")
    async with PostgresState(postgres_uri).open_checkpointer():
        pass
    assert "synchronous_commit = off" in caplog.text
