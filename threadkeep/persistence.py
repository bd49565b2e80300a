"""The checkpointer and the store a server keeps its threads with: the default ones, or what `langgraph.json` names.

What it names may be an async or plain function, a context manager's function, or the thing itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.store.base import BaseStore, IndexConfig, TTLConfig

from threadkeep.clock import Clock
from threadkeep.config import Config
from threadkeep.config_values import Target
from threadkeep.errors import StartupError
from threadkeep.graphs import load_target
from threadkeep.storage_config import Serde

T = TypeVar("T")

_REFUSALS = (OSError, RuntimeError, ValueError)
"""What opening raises when it cannot be done as asked: a file in use or of another kind, a wrong configuration."""


class OpenSaver(Protocol):
    def __call__(
        self, data_dir: Path | None, /, *, serde: SerializerProtocol | None = None
    ) -> AbstractAsyncContextManager[BaseCheckpointSaver[Any]]: ...


class OpenStore(Protocol):
    def __call__(
        self,
        data_dir: Path | None,
        /,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], datetime] = ...,
    ) -> AbstractAsyncContextManager[BaseStore]: ...


async def open_saver_of(
    config: Config, folder: Path, default: OpenSaver, stack: AsyncExitStack
) -> BaseCheckpointSaver[Any]:
    """Kept open until `stack` is left; `StartupError` says why it cannot be opened."""
    section = config.checkpointer
    if section.target is not None:
        named = load_target(section.target, config.folder, "checkpointer.path")
        return await _named(named, BaseCheckpointSaver, "checkpointer.path", stack)
    opening = default(folder, serde=None if section.serde is None else serializer(section.serde))
    try:
        return await stack.enter_async_context(opening)
    except _REFUSALS as error:
        raise StartupError(f"The checkpointer cannot be opened: {error}") from error


async def open_store_of(
    config: Config, folder: Path, default: OpenStore, stack: AsyncExitStack, clock: Clock
) -> BaseStore:
    """Kept open until `stack` is left; `StartupError` says why it cannot be opened."""
    section = config.store
    if section.target is not None:
        named = load_target(section.target, config.folder, "store.path")
        return await _named(named, BaseStore, "store.path", stack)  # type: ignore[type-abstract]
    try:
        return await stack.enter_async_context(
            default(folder, index=index_of(config), ttl=section.ttl, clock=clock.now)
        )
    except _REFUSALS as error:
        raise StartupError(f"The store cannot be opened: {error}") from error


def index_of(config: Config) -> IndexConfig | None:
    """The store's index with the project's own embedding loaded, as stores take it."""
    index = config.store.index
    if index is None:
        return None
    embed: Any = index.embed
    if isinstance(embed, Target):
        embed = load_target(embed, config.folder, "store.index.embed")
        if not callable(embed) and not hasattr(embed, "embed_documents"):
            raise StartupError(
                f"`store.index.embed` in langgraph.json names a {type(embed).__name__}; it must be a function from "
                "texts to lists of numbers, plain or async, or a LangChain Embeddings object."
            )
    return {"dims": index.dims, "embed": embed, "fields": None if index.fields is None else list(index.fields)}


def serializer(serde: Serde) -> JsonPlusSerializer:
    return JsonPlusSerializer(
        pickle_fallback=serde.pickle_fallback,
        allowed_json_modules=serde.allowed_json_modules,
        allowed_msgpack_modules=serde.allowed_msgpack_modules,
    )


async def _named(named: Any, kind: type[T], key: str, stack: AsyncExitStack) -> T:
    try:
        made = named if isinstance(named, kind) else named() if callable(named) else named
        if inspect.isawaitable(made):
            made = await made
        if isinstance(made, AbstractAsyncContextManager):
            made = await stack.enter_async_context(made)
        elif isinstance(made, AbstractContextManager):
            made = stack.enter_context(made)
    except _REFUSALS as error:
        raise StartupError(f"`{key}` in langgraph.json: it cannot be opened: {error}") from error
    if not isinstance(made, kind):
        raise StartupError(
            f"`{key}` in langgraph.json gives a {type(made).__name__}; it must give a {kind.__name__}, best from an "
            "async context manager."
        )
    return made
