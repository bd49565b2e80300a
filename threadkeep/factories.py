"""Functions that make a graph anew for each use: called with the run's configuration and the server's runtime.

What a factory may take is the official server's: nothing, `config: RunnableConfig`, `runtime: ServerRuntime[Context]`,
in any order; it may be plain or async, and may give the graph, or a context manager that gives it for as long as it is
used. Plain ones run in a thread: they often connect somewhere, and must not stop everybody else meanwhile.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from typing import Any, get_args, get_origin, get_type_hints

from langgraph.store.base import BaseStore
from langgraph_sdk.runtime import AccessContext, ServerRuntime, _ExecutionRuntime, _ReadRuntime

Factory = Callable[..., Any]


async def make_graph(
    factory: Factory,
    config: Mapping[str, Any],
    stack: AsyncExitStack,
    *,
    access: AccessContext,
    context: Any,
    store: BaseStore,
) -> Any:
    """What the factory gives, kept open until `stack` is left."""
    given: dict[str, Any] = {}
    hints = _hints(factory)
    for name, parameter in inspect.signature(factory).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        hint = hints.get(name)
        if name == "runtime" or ServerRuntime in (hint, get_origin(hint)):
            given[name] = _runtime(hint, access, context, store)
        elif name == "config" or parameter.default is parameter.empty:
            given[name] = dict(config)
    return await _entered(await _called(factory, given), stack)


async def _called(factory: Factory, given: dict[str, Any]) -> Any:
    plain = not inspect.iscoroutinefunction(factory) and not inspect.isasyncgenfunction(inspect.unwrap(factory))
    made = await asyncio.to_thread(factory, **given) if plain else factory(**given)
    return await made if inspect.isawaitable(made) else made


async def _entered(made: Any, stack: AsyncExitStack) -> Any:
    if isinstance(made, AbstractAsyncContextManager):
        return await stack.enter_async_context(made)
    if isinstance(made, AbstractContextManager):
        return stack.enter_context(made)
    return made


def _runtime(hint: Any, access: AccessContext, context: Any, store: BaseStore) -> Any:
    if access != "threads.create_run":
        return _ReadRuntime(access_context=access, store=store)
    schema = next(iter(get_args(hint)), None)
    typed = schema(**context) if isinstance(schema, type) and isinstance(context, dict) else context
    return _ExecutionRuntime(access_context=access, store=store, context=typed)


def _hints(factory: Factory) -> dict[str, Any]:
    try:
        return get_type_hints(factory)
    except (NameError, TypeError):  # annotations that name what is only there for type checkers
        return {}
