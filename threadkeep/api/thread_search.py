"""Finding threads: conditions on their rows, which are indexed, and on their state, which has to be looked into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from threadkeep import json
from threadkeep.api.extract import extracted, parse_path
from threadkeep.api.requests import selected, uuid_of
from threadkeep.api.schemas import ThreadFilter, ThreadSearch
from threadkeep.api.states import state_known
from threadkeep.api.wire import thread_wire
from threadkeep.callers import Caller
from threadkeep.engine import Engine
from threadkeep.storage.metadata import contains
from threadkeep.storage.thread_rows import Thread
from threadkeep.storage.thread_texts import threads_with_text
from threadkeep.storage.threads import ThreadQuery

_SCANNED_AT_ONCE = 200


async def search_threads(engine: Engine, body: ThreadSearch, caller: Caller) -> tuple[list[dict[str, Any]], int]:
    """One page of rows as the client wants them, and how many threads match in all."""
    paths = {alias: parse_path(path) for alias, path in (body.extract or {}).items()}
    query = replace(
        await _query(engine, body, caller),
        sort_by=body.sort_by or "updated_at",
        descending=body.sort_order != "asc",
        limit=body.limit,
        offset=body.offset,
    )
    wants_values = not body.select or "values" in body.select or any(path[0] == "values" for path in paths.values())
    if body.values:
        matching = [found async for found in _with_values(engine, query, body.values, caller)]
        found, total = matching[body.offset : body.offset + body.limit], len(matching)
    else:
        threads = await engine.threads.search(query, caller)
        is_last = len(threads) < body.limit and (bool(threads) or body.offset == 0)
        total = body.offset + len(threads) if is_last else await engine.threads.count(query, caller)
        found = await _with_state(engine, threads) if wants_values else [(thread, None) for thread in threads]
    rows = [thread_wire(thread, values) for thread, values in found]
    return [_shown(row, body.select, paths) for row in rows], total


async def count_threads(engine: Engine, body: ThreadFilter, caller: Caller) -> int:
    query = await _query(engine, body, caller)
    if body.values:
        return len([1 async for _ in _with_values(engine, query, body.values, caller)])
    return await engine.threads.count(query, caller)


async def _query(engine: Engine, body: ThreadFilter, caller: Caller) -> ThreadQuery:
    ids = None if body.ids is None else [uuid_of("thread", thread_id) for thread_id in body.ids]
    if body.text is not None and body.text.strip():
        found = await threads_with_text(engine.database, body.text, caller)
        ids = found if ids is None else sorted({*ids} & {*found})
    return ThreadQuery(ids=ids, metadata=body.metadata, status=body.status)


def _shown(row: dict[str, Any], select: Sequence[str] | None, paths: dict[str, list[str | int]]) -> dict[str, Any]:
    shown = selected(row, select)
    if not paths:
        return shown
    plain = json.to_jsonable(row)
    return {**shown, "extracted": {alias: extracted(plain, path) for alias, path in paths.items()}}


async def _with_values(
    engine: Engine, query: ThreadQuery, wanted: dict[str, Any], caller: Caller
) -> AsyncIterator[tuple[Thread, Any]]:
    """The threads whose state contains `wanted`, of all that the query finds."""
    offset = 0
    while threads := await engine.threads.search(replace(query, limit=_SCANNED_AT_ONCE, offset=offset), caller):
        for thread, values in await _with_state(engine, threads):
            if contains(json.to_jsonable(values), wanted):
                yield thread, values
        offset += len(threads)


async def _with_state(engine: Engine, threads: list[Thread]) -> list[tuple[Thread, Any]]:
    states = await asyncio.gather(*(state_known(engine, thread) for thread in threads))
    return [(thread, state.values) for thread, state in zip(threads, states, strict=True)]
