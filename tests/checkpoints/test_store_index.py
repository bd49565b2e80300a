"""Search by meaning: what is embedded, by whom and on which thread, and in which order items are found."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langgraph.store.base import IndexConfig
from langgraph.store.memory import InMemoryStore

from checkpoints import open_store
from checkpoints.store.index import EmbeddingError, IndexChangedError
from tests.checkpoints.stores import EachStore

LETTERS = "abcdefgh"


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[float(text.count(letter)) for letter in LETTERS] for text in texts]


async def letters_later(texts: Sequence[str]) -> list[list[float]]:
    await asyncio.sleep(0)
    return letters(texts)


def index(embed: Any = letters, **more: Any) -> IndexConfig:
    return {"dims": len(LETTERS), "embed": embed, **more}


async def test_scores_and_order_are_those_of_the_in_memory_store(each_store: EachStore) -> None:
    chance = random.Random(7)
    reference = InMemoryStore(index=index(fields=["text", "tags[*]"]))
    async with each_store.open(index=index(fields=["text", "tags[*]"])) as store:
        for number in range(150):
            words = ["".join(chance.choices(LETTERS, k=chance.randint(1, 9))) for _ in range(3)]
            value = {"text": words[0], "tags": words[1 : chance.randint(1, 3)], "n": number % 3}
            where = ("root", chance.choice("xy"))
            for one in (store, reference):
                await one.aput(where, str(number), value)
        for query, wanted in (("abc", None), ("hhh", {"n": 1}), ("dead", {"n": {"$gte": 1}})):
            ours = await store.asearch(("root",), query=query, filter=wanted, limit=200)
            theirs = await reference.asearch(("root",), query=query, filter=wanted, limit=200)
            scores = {item.key: item.score for item in theirs}
            assert {item.key for item in ours} == set(scores)
            assert [item.score for item in ours] == pytest.approx([scores[item.key] for item in ours], abs=1e-5)
            assert [item.score for item in ours] == sorted((item.score or 0 for item in ours), reverse=True)
            pages = [
                item
                for offset in range(0, 200, 40)
                for item in await store.asearch(("root",), query=query, filter=wanted, limit=40, offset=offset)
            ]
            assert [item.key for item in pages] == [item.key for item in ours]


async def test_what_has_no_embedding_comes_after_what_has_the_last_put_first(each_store: EachStore) -> None:
    async with each_store.open(index=index(fields=["text"])) as store:
        await store.aput(("a",), "far", {"text": "h"})
        await store.aput(("a",), "none", {"text": "abc"}, index=False)
        await store.aput(("a",), "no such field", {"other": "abc"})
        await store.aput(("a",), "near", {"text": "abc"})
        found = await store.asearch(("a",), query="abc")
        assert [item.key for item in found] == ["near", "far", "no such field", "none"]
        assert [item.score for item in found] == [pytest.approx(1), pytest.approx(0), None, None]
        assert [item.key for item in await store.asearch(("a",), query="abc", limit=2, offset=2)] == [
            "no such field",
            "none",
        ]


async def test_an_overwrite_takes_the_old_embedding_along(each_store: EachStore) -> None:
    async with each_store.open(index=index(fields=["text"])) as store:
        await store.aput(("a",), "k", {"text": "abc"})
        await store.aput(("a",), "k", {"text": "h"})
        assert (await store.asearch(("a",), query="abc"))[0].score == pytest.approx(0)
        await store.aput(("a",), "k", {"text": "abc"}, index=False)
        assert (await store.asearch(("a",), query="abc"))[0].score is None


async def test_without_an_index_a_query_is_not_looked_at(each_store: EachStore) -> None:
    async with each_store.open() as store:
        await store.aput(("a",), "k", {"text": "abc"}, index=["text"])
        assert [(item.key, item.score) for item in await store.asearch(("a",), query="abc")] == [("k", None)]


async def test_a_plain_embedding_never_runs_on_the_event_loop(each_store: EachStore) -> None:
    ran_on = set()

    def embed(texts: Sequence[str]) -> list[list[float]]:
        ran_on.add(threading.get_ident())
        return letters(texts)

    async with each_store.open(index=index(embed)) as store:
        await store.aput(("a",), "k", {"text": "abc"})
        await store.asearch(("a",), query="abc")
    assert ran_on
    assert threading.get_ident() not in ran_on


async def test_an_async_embedding_serves_threads_too_and_says_so_where_it_cannot(each_store: EachStore) -> None:
    async with each_store.open(index=index(letters_later)) as store:
        await asyncio.to_thread(store.put, ("a",), "k", {"text": "abc"})
        found = await asyncio.to_thread(lambda: store.search(("a",), query="abc"))
        assert found[0].score is not None
        with pytest.raises(RuntimeError, match="aput, asearch"):
            store.put(("a",), "k", {"text": "abc"})


async def test_an_embeddings_object_may_embed_questions_otherwise_than_texts(each_store: EachStore) -> None:
    class Asymmetric(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return letters(texts)

        def embed_query(self, text: str) -> list[float]:
            return letters([text.removeprefix("query: ").swapcase()])[0]

    async with each_store.open(index=index(Asymmetric(), fields=["text"])) as store:
        await store.aput(("a",), "k", {"text": "abc"})
        assert (await store.asearch(("a",), query="query: ABC"))[0].score == pytest.approx(1)


@pytest.mark.parametrize(
    ("embed", "words"),
    [
        (lambda texts: [[1.0]] * len(texts), "vectors of 1 numbers; store.index.dims is 8"),
        (lambda texts: [], "0 vectors of 1 texts"),
        (lambda texts: 1 / 0, "ZeroDivisionError"),
    ],
)
async def test_a_wrong_embedding_is_an_error_in_words_and_stores_nothing(
    each_store: EachStore, embed: Any, words: str
) -> None:
    async with each_store.open(index=index(embed)) as store:
        with pytest.raises(EmbeddingError, match=words):
            await store.aput(("a",), "k", {"text": "abc"})
        assert await store.aget(("a",), "k") is None
        await store.aput(("a",), "k", {"text": "abc"}, index=False)


async def test_other_dimensions_or_another_model_are_refused_until_all_is_embedded_anew(each_store: EachStore) -> None:
    async with each_store.open(index=index(fields=["text"])) as store:
        await store.aput(("a",), "k", {"text": "abc", "title": "h"})
        await store.aput(("a",), "own", {"text": "abc", "title": "h"}, index=["title"])
        await store.aput(("a",), "none", {"text": "abc"}, index=False)
    shorter: IndexConfig = {"dims": 3, "embed": lambda texts: [row[:3] for row in letters(texts)], "fields": ["text"]}
    with pytest.raises(IndexChangedError, match=r"dims 8.*dims 3.*reindex"):
        async with each_store.open(index=shorter):
            pass
    async with each_store.open() as store:  # without an index the items are all there, and stay embedded
        assert len(await store.asearch(())) == 3
    assert await each_store.reindex(shorter) == 2
    async with each_store.open(index=shorter) as store:
        scores = {item.key: item.score for item in await store.asearch((), query="abc")}
        assert scores == {"k": pytest.approx(1), "own": pytest.approx(0), "none": None}


async def test_a_reindex_finds_what_was_put_before_there_was_an_index(each_store: EachStore) -> None:
    async with each_store.open() as store:
        for number in range(250):
            await store.aput(("a",), str(number), {"text": "abc"})
    assert await each_store.reindex(index()) == 250
    async with each_store.open(index=index()) as store:
        assert all(item.score for item in await store.asearch((), query="abc", limit=1000))


@contextmanager
def embedding_server() -> Iterator[tuple[str, list[Any]]]:
    """Speaks `/embeddings` as OpenAI does; gives its address and what it was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append(body)
            data = [
                {"object": "embedding", "index": place, "embedding": vector}
                for place, vector in enumerate(letters(body["input"]))
            ]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            answer = json.dumps({"object": "list", "data": data, "model": body["model"], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_named_model_is_asked_for_at_any_server_that_speaks_like_openai(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedding_server() as (address, asked):
        monkeypatch.setenv("OPENAI_BASE_URL", address)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        async with open_store(tmp_path, index=index("openai:some-embedding", fields=["text"])) as store:
            await store.aput(("a",), "k", {"text": "abc"})
            found = await asyncio.to_thread(lambda: store.search(("a",), query="abc"))
            assert found[0].score == pytest.approx(1)
    assert {body["model"] for body in asked} == {"some-embedding"}
    assert [body["input"] for body in asked] == [["abc"], ["abc"]]


async def test_a_named_model_without_a_key_or_of_an_unknown_provider_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name, words in (
        ("openai:m", "OPENAI_API_KEY"),
        ("cohere:m", "langchain-cohere"),
        ("nobody:m", "not supported"),
    ):
        with pytest.raises(ValueError, match=words):
            async with open_store(tmp_path, index=index(name)):
                pass
