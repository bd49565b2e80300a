"""The store in PostgreSQL, where it differs from the one on a file: many servers share it, and text is narrower."""

from __future__ import annotations

import asyncio

import pytest
from langgraph.store.base import PutOp

from checkpoints.postgres import PostgresState
from checkpoints.store.index import IndexChangedError
from tests.checkpoints.test_store_index import index, letters
from threadkeep.owned_store import OwnedStore

SECONDS = 60


async def test_what_one_server_puts_another_finds(postgres_uri: str) -> None:
    state = PostgresState(postgres_uri)
    async with state.open_store() as one, state.open_store() as other:
        await one.aput(("a",), "k", {"v": 1})
        await other.aput(("a",), "l", {"v": 2})
        await one.aput(("a",), "k", {"v": 3})
        assert [(item.key, item.value["v"]) for item in await other.asearch(("a",))] == [("k", 3), ("l", 2)]
        await other.adelete(("a",), "k")
        assert await one.aget(("a",), "k") is None


async def test_servers_that_write_the_same_items_at_once_all_get_through(postgres_uri: str) -> None:
    state = PostgresState(postgres_uri)
    async with state.open_store() as one, state.open_store() as other, asyncio.timeout(SECONDS):
        keys = [str(number) for number in range(20)]

        async def write(store: object, order: list[str]) -> None:
            for turn in range(10):
                await store.abatch([PutOp(("a",), key, {"turn": turn}, ttl=10) for key in order])  # type: ignore[attr-defined]
                await store.asearch(("a",))  # type: ignore[attr-defined]

        await asyncio.gather(write(one, keys), write(other, keys[::-1]), write(one, keys[10:] + keys[:10]))
        assert {item.value["turn"] for item in await one.asearch(("a",), limit=100)} == {9}


async def test_owners_whose_names_begin_alike_are_kept_apart(postgres_uri: str) -> None:
    async with PostgresState(postgres_uri).open_store() as store:
        ann, anna, wild = (OwnedStore(store, owner) for owner in ("ann", "anna", "an_"))
        for owned in (ann, anna, wild):
            await owned.aput(("notes",), "k", {"of": owned._prefix[-1]})
        assert [item.value["of"] for item in await ann.asearch(())] == ["ann"]
        assert [item.value["of"] for item in await wild.asearch(("notes",))] == ["an_"]
        assert await ann.alist_namespaces() == [("notes",)]


async def test_a_nul_in_a_name_is_refused_in_words_and_in_a_value_kept(postgres_uri: str) -> None:
    async with PostgresState(postgres_uri).open_store() as store:
        for namespace, key in ((("a\0",), "k"), (("a",), "\0")):
            with pytest.raises(ValueError, match="NUL"):
                await store.aput(namespace, key, {})
            with pytest.raises(ValueError, match="NUL"):
                await store.aget(namespace, key)
        with pytest.raises(ValueError, match="NUL"):
            await store.asearch(("a\0",))
        with pytest.raises(ValueError, match="NUL"):
            await store.alist_namespaces(prefix=("a\0",))
        await store.aput(("a",), "k", {"v": "\0"})
        assert (await store.aget(("a",), "k")).value == {"v": "\0"}


async def test_on_the_event_loop_plain_methods_are_refused_in_words(postgres_uri: str) -> None:
    async with PostgresState(postgres_uri).open_store() as store:
        with pytest.raises(RuntimeError, match="aput, asearch"):
            store.put(("a",), "k", {"v": 1})


async def test_a_filter_and_a_query_look_through_more_than_a_page(postgres_uri: str) -> None:
    async with PostgresState(postgres_uri).open_store(index=index(fields=["text"])) as store:
        await store.abatch([PutOp(("a",), str(n), {"n": n, "text": "abc" if n == 3 else "h"}) for n in range(1200)])
        assert [item.key for item in await store.asearch(("a",), filter={"n": {"$lt": 2}})] == ["1", "0"]
        assert [item.key for item in await store.asearch(("a",), query="abc", limit=1)] == ["3"]
        found = await store.asearch(("a",), query="abc", filter={"n": {"$lt": 5}}, limit=2)
        assert [item.key for item in found] == ["3", "4"]


async def test_a_server_with_another_embedding_is_refused_beside_the_first(postgres_uri: str) -> None:
    state = PostgresState(postgres_uri)
    shorter = {"dims": 3, "embed": lambda texts: [row[:3] for row in letters(texts)]}
    async with state.open_store(index=index()) as store:
        await store.aput(("a",), "k", {"text": "abc"})
        with pytest.raises(IndexChangedError, match=r"the database 'threadkeep_.*dims 8.*dims 3"):
            async with state.open_store(index=shorter):
                pass
