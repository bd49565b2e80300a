"""People: whom a request is for, and everything of theirs gone when they want it gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.store.base import BaseStore

from threadkeep.api.removal import remove_thread
from threadkeep.auth.gate import acting_for
from threadkeep.callers import Caller
from threadkeep.engine import Engine
from threadkeep.errors import ForbiddenError, NotFoundError
from threadkeep.storage.assistants import AssistantQuery
from threadkeep.storage.crons import CronQuery
from threadkeep.storage.threads import ThreadQuery

_AT_ONCE = 100

Namespace = tuple[str, ...]


def person(caller: Caller, user_id: str | None) -> tuple[Caller, str | None]:
    """The caller as the user a message names, and that user's id. Who has logged in is themselves if none is named.

    `ForbiddenError` for somebody else without the scope `act_for`.
    """
    if not caller.known:
        return caller, user_id
    user_id = user_id or caller.identity
    assert user_id is not None
    return acting_for(caller, user_id), user_id


def person_named(caller: Caller, user_id: str) -> Caller:
    """The same for a user in a path: somebody else is not there."""
    try:
        return person(caller, user_id)[0]
    except ForbiddenError:
        raise NotFoundError(f"There is no user {user_id!r}.") from None


async def allowed(engine: Engine, caller: Caller, action: str, **value: Any) -> tuple[Caller, dict[str, Any]]:
    """The caller as the project's rules leave it for an action on threads, and the metadata they want stored."""
    asked = {"metadata": {}, **value}
    return await engine.gate.allow(caller, "threads", action, asked), dict(asked["metadata"] or {})


async def erase_user(engine: Engine, user_id: str, caller: Caller, namespaces: Sequence[Namespace]) -> dict[str, int]:
    """Delete a user's threads (with runs, checkpoints and events), crons, assistants and store items; how many of each.

    Webhooks that were still to tell of their runs go too. `namespaces` are where the graphs keep what they know of a
    person. Can be repeated: what a crash leaves, the next call takes.
    """
    threads = await _erase_threads(engine, ThreadQuery(user_id=user_id, limit=_AT_ONCE), caller)
    crons = assistants = 0
    if caller.owner is not None:
        threads += await _erase_threads(engine, ThreadQuery(limit=_AT_ONCE), caller)
        for cron in (await engine.crons.search(CronQuery(limit=1_000_000), caller))[0]:
            await engine.crons.delete(cron.cron_id, caller)
            crons += 1
        for assistant in (await engine.assistants.search(AssistantQuery(limit=1_000_000), caller))[0]:
            if assistant.owner is not None:
                await engine.assistants.delete(assistant.assistant_id, caller)
                assistants += 1
        await engine.outbox.forget_owner(caller.owner)
    store = engine.graphs.store_of(caller.owner)
    whole = store is not engine.store
    items = 0
    for namespace in [()] if whole else namespaces:
        items += await _erase_items(store, namespace)
    return {"threads": threads, "crons": crons, "assistants": assistants, "store_items": items}


async def _erase_threads(engine: Engine, query: ThreadQuery, caller: Caller) -> int:
    erased = 0
    while threads := await engine.threads.search(query, caller):
        for thread in threads:
            await remove_thread(engine, thread, caller)
            await engine.outbox.forget_thread(thread.thread_id)
        erased += len(threads)
    return erased


async def _erase_items(store: BaseStore, namespace: Namespace) -> int:
    erased = 0
    while items := await store.asearch(namespace, limit=_AT_ONCE):
        for item in items:
            await store.adelete(item.namespace, item.key)
        erased += len(items)
    return erased
