"""What of an item is embedded, and with what: `store.index` as `langgraph.json` and LangGraph's stores have it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from langchain_core.embeddings import Embeddings
from langgraph.store.base import IndexConfig, ensure_embeddings, get_text_at_path, tokenize_path

from checkpoints.store.nearness import Vectors, of_length_one

T = TypeVar("T")


class EmbeddingError(ConnectionError):
    """The embedding could not be had, or is not what the index was configured for."""


class IndexChangedError(RuntimeError):
    """The stored embeddings were made by another model than the one configured now."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors by text: of what is stored, and of what is asked. Some models tell the two apart."""

    texts: dict[str, Vectors]
    queries: dict[str, Vectors]

    def stored(self, texts: Sequence[str]) -> bytes:
        return b"".join(self.texts[text].tobytes() for text in texts)


NOTHING = Embedded({}, {})


class Index:
    """Made for the running loop: an async embedding function is called there, a plain one never."""

    def __init__(self, config: IndexConfig) -> None:
        self.dims = config["dims"]
        embed = config["embed"]
        self.name = embed if isinstance(embed, str) else ""
        self._embeddings = embeddings_named(embed) if isinstance(embed, str) else ensure_embeddings(embed)
        self._only_async = hasattr(self._embeddings, "afunc")
        self._fields = config.get("fields") or ["$"]
        self._loop = asyncio.get_running_loop()

    def facts(self) -> dict[str, str]:
        """What a stored vector's meaning depends on."""
        return {"dims": str(self.dims), "embed": self.name}

    def check_against(self, then: dict[str, str], where: str) -> None:
        """`IndexChangedError` when this is not what the embeddings that are stored were made with."""
        now = self.facts()
        # A function has no name to go by: of two functions only the length of their vectors tells them apart.
        if any(value != now[name] and value and now[name] for name, value in then.items()):
            raise IndexChangedError(
                f"The embeddings in {where} were made with {_described(then)}, but store.index in langgraph.json now "
                f"says {_described(now)}; they cannot be compared. Put the old configuration back, or make all of them "
                "anew: python server.py reindex"
            )

    def texts(self, value: Any, fields: Sequence[str] | None) -> list[str]:
        """What is embedded of a value: of the fields that its put named, or else of the configured ones."""
        found: list[str] = []
        for path in self._fields if fields is None else fields:
            found += get_text_at_path(value, "$" if path == "$" else tokenize_path(path))
        return found

    async def embed(self, texts: Iterable[str], queries: Iterable[str]) -> Embedded:
        """For the event loop: whatever blocks runs in a thread."""
        unique, asked = list(dict.fromkeys(texts)), list(dict.fromkeys(queries))
        try:
            vectors = await self._embeddings.aembed_documents(unique) if unique else []
            near = await asyncio.gather(*map(self._embeddings.aembed_query, asked))
        except Exception as error:  # the border to somebody's embedding function
            raise EmbeddingError(f"The store's embedding failed: {type(error).__name__}: {error}") from error
        return Embedded(self._checked(unique, vectors), self._checked(asked, near))

    def embed_here(self, texts: Iterable[str], queries: Iterable[str]) -> Embedded:
        """For a thread that may block."""
        if self._only_async:
            return self._on_loop(lambda: self.embed(texts, queries))
        unique, asked = list(dict.fromkeys(texts)), list(dict.fromkeys(queries))
        try:
            vectors = self._embeddings.embed_documents(unique) if unique else []
            near = [self._embeddings.embed_query(text) for text in asked]
        except Exception as error:  # the same border
            raise EmbeddingError(f"The store's embedding failed: {type(error).__name__}: {error}") from error
        return Embedded(self._checked(unique, vectors), self._checked(asked, near))

    def _on_loop(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            raise RuntimeError(
                "The embedding function is async: on the event loop use the store's async methods (aput, asearch)."
            )

        async def called() -> T:
            return await call()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result()

    def _checked(self, texts: Sequence[str], vectors: Sequence[Sequence[float]]) -> dict[str, Vectors]:
        if len(vectors) != len(texts):
            raise EmbeddingError(f"The store's embedding made {len(vectors)} vectors of {len(texts)} texts.")
        for vector in vectors:
            if len(vector) != self.dims:
                raise EmbeddingError(
                    f"The store's embedding makes vectors of {len(vector)} numbers; store.index.dims is {self.dims}."
                )
        return dict(zip(texts, of_length_one(vectors), strict=True)) if texts else {}


def _described(facts: dict[str, str]) -> str:
    return f"dims {facts['dims']}" + (f" and embed {facts['embed']!r}" if facts["embed"] else "")


def embeddings_named(name: str) -> Embeddings:
    """The embedding model of `provider:model`. OpenAI's, or any server that speaks like it, needs nothing else."""
    provider, _, model = name.partition(":")
    if provider != "openai":
        try:
            return ensure_embeddings(name)
        except ImportError as error:
            raise ValueError(f"`store.index.embed` is {name!r}, which needs another package: {error}") from error
    from langchain_openai import OpenAIEmbeddings  # noqa: PLC0415 - two seconds that nobody else should wait

    elsewhere = bool(os.environ.get("OPENAI_BASE_URL"))
    if not elsewhere and not os.environ.get("OPENAI_API_KEY"):
        raise ValueError(f"`store.index.embed` is {name!r}, which needs OPENAI_API_KEY (or OPENAI_BASE_URL).")
    key: dict[str, Any] = {} if os.environ.get("OPENAI_API_KEY") else {"api_key": "none"}
    # Other servers take text alone, not OpenAI's tokens.
    return OpenAIEmbeddings(model=model, check_embedding_ctx_length=not elsewhere, **key)


def choice(index: Any) -> str:
    """A put's own choice of fields, as it is stored."""
    return orjson.dumps(index).decode()
