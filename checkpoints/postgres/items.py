"""LangGraph's store contract on PostgreSQL, with the same meaning as on a file (`checkpoints/store/items.py`).

A batch is looked at whole before anything happens: then the embeddings are made, then everything that reads is read as
it was before the batch, then everything is written in one transaction. Filters and nearness are worked out here, not in
the database: it needs no extension, and a search with either reads all that stands under its namespace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from typing import Any, TypeVar

from langgraph.store.base import BaseStore, GetOp, ListNamespacesOp, Op, PutOp, Result, SearchOp, TTLConfig

from checkpoints.postgres import item_table as table
from checkpoints.postgres.pool import Cursor, Pool
from checkpoints.store.answers import found_item, item_of, microseconds
from checkpoints.store.filters import matches
from checkpoints.store.index import NOTHING, Embedded, Index
from checkpoints.store.namespaces import listed, literal_prefix
from checkpoints.store.nearness import scores
from checkpoints.store.plan import Plan
from checkpoints.store.table import Row
from checkpoints.store.values import decode

T = TypeVar("T")
Clock = Callable[[], datetime]

_LAST = float("inf")


class PostgresItemStore(BaseStore):
    """Opened by `PostgresState.open_store`. An item past its time to live is not there, swept or not.

    The plain methods are for threads: on the event loop that opened the store they raise RuntimeError.
    """

    supports_ttl = True

    def __init__(self, pool: Pool, *, index: Index | None, ttl: TTLConfig | None, clock: Clock) -> None:
        self.ttl_config = ttl
        self._pool = pool
        self._index = index
        self._clock = clock

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        plan = _planned(ops, self._index)
        embedded = await self._index.embed(plan.texts, plan.queries) if self._index and plan.embeds else NOTHING
        return await self._carry_out(plan, embedded)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        plan = _planned(ops, self._index)
        embedded = self._index.embed_here(plan.texts, plan.queries) if self._index and plan.embeds else NOTHING
        return self._from_thread(lambda: self._carry_out(plan, embedded))

    async def sweep_ttl(self) -> int:
        """Remove what has expired; how many items that were."""
        swept = 0
        while removed := await self._pool.run(lambda cursor: table.sweep(cursor, self._now())):
            swept += removed
        return swept

    async def _carry_out(self, plan: Plan, embedded: Embedded) -> list[Result]:
        now = self._now()
        results: list[Result] = [None for _ in plan.ops]
        seen: list[int] = []
        if plan.reads:
            results, seen = await self._read(plan, embedded, now)
        if plan.puts or seen:
            await self._pool.transaction(lambda cursor: _write(cursor, plan, embedded, seen, now))
        return results

    async def _read(self, plan: Plan, embedded: Embedded, now: int) -> tuple[list[Result], list[int]]:
        """Answers in the order of the operations, and the ids of those whose time to live starts anew."""

        async def work(cursor: Cursor) -> tuple[list[Result], list[int]]:
            seen: list[int] = []
            return [await _answer(cursor, op, embedded, now, seen) for op in plan.ops], seen

        if len(plan.ops) == 1 and _is_one_statement(plan.ops[0], plan):
            return await self._pool.run(work)

        async def on_one_view(cursor: Cursor) -> tuple[list[Result], list[int]]:
            await cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return await work(cursor)

        return await self._pool.transaction(on_one_view)

    def _now(self) -> int:
        return microseconds(self._clock())

    def _from_thread(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._pool.loop:
            raise RuntimeError("On the event loop use the store's async methods (aput, asearch).")
        return asyncio.run_coroutine_threadsafe(call(), self._pool.loop).result()


def _planned(ops: Iterable[Op], index: Index | None) -> Plan:
    plan = Plan(ops, index)
    for op in plan.ops:
        named = [*op.namespace, op.key] if isinstance(op, GetOp | PutOp) else []
        if isinstance(op, SearchOp):
            named = list(op.namespace_prefix)
        if isinstance(op, ListNamespacesOp):
            named = list(literal_prefix(op.match_conditions or ()))
        if any("\0" in name for name in named):
            raise ValueError("PostgreSQL stores no text with a NUL: neither a namespace label nor a key may hold one.")
    return plan


def _is_one_statement(op: Op, plan: Plan) -> bool:
    return not isinstance(op, SearchOp) or not (op.filter or plan.queries)


async def _write(cursor: Cursor, plan: Plan, embedded: Embedded, seen: list[int], now: int) -> None:
    if seen:
        await table.refresh(cursor, seen, now)
    for (namespace, key), put in plan.puts.items():
        if put is None:
            await table.delete(cursor, namespace, key)
        else:
            await table.put(cursor, put.item, embedded.stored(put.texts), now)


async def _answer(cursor: Cursor, op: Op, embedded: Embedded, now: int, seen: list[int]) -> Result:
    match op:
        case GetOp():
            row = await table.get(cursor, op.namespace, op.key, now)
            if row is None:
                return None
            if op.refresh_ttl and row.ttl_minutes is not None:
                seen.append(row.id)
            return item_of(row)
        case SearchOp():
            hits = await _search(cursor, op, embedded, now)
            if op.refresh_ttl:
                seen += [row.id for row, _ in hits if row.ttl_minutes is not None]
            return [found_item(row, score) for row, score in hits]
        case ListNamespacesOp():
            conditions = op.match_conditions or ()
            every = await table.namespaces(cursor, literal_prefix(conditions), now)
            return listed(every, conditions, op.max_depth)[op.offset :][: op.limit]
        case PutOp():
            return None


async def _search(cursor: Cursor, op: SearchOp, embedded: Embedded, now: int) -> list[tuple[Row, float | None]]:
    query = embedded.queries.get(op.query or "")
    if query is None:
        return [(row, None) for row in await _unranked(cursor, op, now)]
    if op.filter:
        ids = [row.id async for row in table.every(cursor, op.namespace_prefix, now) if _passes(row, op)]
    else:
        ids = await table.newest_ids(cursor, op.namespace_prefix, now)
    near = scores(query, await table.vectors(cursor, ids))
    # A stable sort: equally near, or without an embedding, the last put comes first.
    ranked = sorted(ids, key=lambda row_id: -near[row_id] if row_id in near else _LAST)
    return [(row, near.get(row.id)) for row in await table.rows(cursor, ranked[op.offset :][: op.limit])]


async def _unranked(cursor: Cursor, op: SearchOp, now: int) -> list[Row]:
    if not op.filter:
        return await table.newest(cursor, op.namespace_prefix, now, limit=op.limit, offset=op.offset)
    passing: list[Row] = []
    async for row in table.every(cursor, op.namespace_prefix, now):
        if len(passing) == op.offset + op.limit:
            break
        if _passes(row, op):
            passing.append(row)
    return passing[op.offset :]


def _passes(row: Row, op: SearchOp) -> bool:
    return matches(decode(row.value), op.filter or {})
