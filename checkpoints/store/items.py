"""LangGraph's store contract on a file: what a batch of operations means, and who carries out which part of it.

A batch is looked at whole before anything happens: then the embeddings are made, then everything that reads is read as
it was before the batch, then everything is written in one transaction; of several puts of one item the last counts.
What a store is asked by an event loop it does on threads of its own; its plain methods block whoever calls them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import datetime
from itertools import count

import apsw
from langgraph.store.base import (
    BaseStore,
    GetOp,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchOp,
    TTLConfig,
)

from checkpoints.store import table
from checkpoints.store.answers import found_item, item_of, microseconds
from checkpoints.store.connections import Connections
from checkpoints.store.index import NOTHING, Embedded, Index
from checkpoints.store.namespaces import listed, literal_prefix
from checkpoints.store.plan import Plan
from checkpoints.store.search import search

Clock = Callable[[], datetime]


class ItemStore(BaseStore):
    """Opened by `open_store`. An item past its time to live is not there, whether or not it has been swept yet."""

    supports_ttl = True

    def __init__(
        self, connections: Connections, *, last_change: int, index: Index | None, ttl: TTLConfig | None, clock: Clock
    ) -> None:
        self.ttl_config = ttl
        self._connections = connections
        self._changes = count(last_change + 1)
        self._index = index
        self._clock = clock

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        plan = Plan(ops, self._index)
        embedded = self._index.embed_here(plan.texts, plan.queries) if self._index and plan.embeds else NOTHING
        now = self._now()
        results: list[Result] = [None for _ in plan.ops]
        seen: list[int] = []
        if plan.reads:
            results, seen = self._read(plan, embedded, now).result()
        if (written := self._write(plan, embedded, seen, now)) is not None:
            written.result()
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        plan = Plan(ops, self._index)
        embedded = await self._index.embed(plan.texts, plan.queries) if self._index and plan.embeds else NOTHING
        now = self._now()
        results: list[Result] = [None for _ in plan.ops]
        seen: list[int] = []
        if plan.reads:
            results, seen = await asyncio.wrap_future(self._read(plan, embedded, now))
        if (written := self._write(plan, embedded, seen, now)) is not None:
            await asyncio.wrap_future(written)
        return results

    async def sweep_ttl(self) -> int:
        """Remove from the file what has expired; how many items that were."""
        swept = 0
        while removed := await asyncio.wrap_future(
            self._connections.write(lambda connection: table.sweep(connection, self._now()))
        ):
            swept += removed
        return swept

    def _read(self, plan: Plan, embedded: Embedded, now: int) -> Future[tuple[list[Result], list[int]]]:
        """Answers in the order of the operations, and the ids of those whose time to live starts anew."""

        def work(connection: apsw.Connection) -> tuple[list[Result], list[int]]:
            seen: list[int] = []
            return [_answer(connection, op, embedded, now, seen) for op in plan.ops], seen

        return self._connections.read(work)

    def _write(self, plan: Plan, embedded: Embedded, seen: list[int], now: int) -> Future[None] | None:
        if not plan.puts and not seen:
            return None

        def work(connection: apsw.Connection) -> None:
            table.refresh(connection, seen, now)
            for (namespace, key), put in plan.puts.items():
                if put is None:
                    table.delete(connection, namespace, key)
                else:
                    vectors = embedded.stored(put.texts)
                    table.put(connection, put.item, vectors, now, next(self._changes))

        return self._connections.write(work)

    def _now(self) -> int:
        return microseconds(self._clock())


def _answer(connection: apsw.Connection, op: Op, embedded: Embedded, now: int, seen: list[int]) -> Result:
    match op:
        case GetOp():
            row = table.get(connection, op.namespace, op.key, now)
            if row is None:
                return None
            if op.refresh_ttl and row.ttl_minutes is not None:
                seen.append(row.id)
            return item_of(row)
        case SearchOp():
            hits = search(connection, op, embedded.queries.get(op.query or ""), now)
            if op.refresh_ttl:
                seen += [hit.row.id for hit in hits if hit.row.ttl_minutes is not None]
            return [found_item(hit.row, hit.score) for hit in hits]
        case ListNamespacesOp():
            conditions = op.match_conditions or ()
            every = table.namespaces(connection, literal_prefix(conditions), now)
            return listed(every, conditions, op.max_depth)[op.offset :][: op.limit]
        case PutOp():
            return None
