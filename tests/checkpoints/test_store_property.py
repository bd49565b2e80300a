"""Whatever is put, searched and waited for, our store answers what LangGraph's InMemoryStore does.

Differences on purpose: results come last put first; `created_at` survives an overwrite; what expires is gone; a
namespace is listed while it holds an item; a comparison with what cannot be compared matches nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from tests.checkpoints.stores import EachStore, OnFile, OnPostgres

LABELS = st.sampled_from(["a", "b", "ab", "A", "é", "\U0010ffff", "-"])
NAMESPACES = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
KEYS = st.sampled_from(["k", "l", "m.n", ""])
SCALARS = st.one_of(st.integers(-3, 3), st.sampled_from(["x", "10", "9", None, True, 2.5]))
VALUES = st.dictionaries(
    st.sampled_from(["p", "q"]),
    st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.just("r"), SCALARS, max_size=1)),
    max_size=2,
)
OPERATORS = st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"])
CONDITIONS = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2),
    st.dictionaries(st.just("r"), SCALARS, max_size=1),
    st.dictionaries(OPERATORS, st.one_of(st.integers(-3, 3), st.sampled_from(["10", "x"])), min_size=1, max_size=2),
)
FILTERS = st.one_of(st.none(), st.dictionaries(st.sampled_from(["p", "q"]), CONDITIONS, max_size=2))
PATTERNS = st.lists(st.one_of(LABELS, st.just("*")), min_size=1, max_size=3).map(tuple)
MATCHES = st.builds(MatchCondition, match_type=st.sampled_from(["prefix", "suffix"]), path=PATTERNS)
OPS = st.one_of(
    st.builds(
        PutOp, NAMESPACES, KEYS, st.one_of(st.none(), VALUES), st.none(), ttl=st.sampled_from([None, None, 1.0, 3.5])
    ),
    st.builds(GetOp, NAMESPACES, KEYS, st.booleans()),
    st.builds(
        SearchOp,
        st.lists(LABELS, max_size=2).map(tuple),
        FILTERS,
        st.integers(0, 5),
        st.integers(0, 3),
        st.none(),
        st.booleans(),
    ),
    st.builds(
        ListNamespacesOp,
        st.lists(MATCHES, max_size=2).map(tuple),
        st.one_of(st.none(), st.integers(1, 3)),
        st.integers(0, 5),
        st.integers(0, 3),
    ),
)
STEPS = st.one_of(
    st.lists(OPS, min_size=1, max_size=4),
    st.sampled_from(["reopen", "sweep", timedelta(seconds=40), timedelta(minutes=2)]),
)


class Compared:
    """Carries out steps on both stores."""

    def __init__(self, place: EachStore) -> None:
        self.place = place
        self.stack = AsyncExitStack()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.reference = InMemoryStore()
        self.puts = 0
        self.known: dict[Any, dict[str, Any]] = {}

    async def reopen(self) -> None:
        await self.stack.aclose()
        self.store = await self.stack.enter_async_context(self.place.open(clock=lambda: self.now))

    async def take(self, step: Any) -> None:
        if step == "reopen":
            await self.reopen()
        elif step == "sweep":
            await self.store.sweep_ttl()
        elif isinstance(step, timedelta):
            self.now += step
            for where, item in list(self.known.items()):
                if item["expires"] is not None and item["expires"] <= self.now:
                    self.forget(*where)
        else:
            expected = [self.expected(op) for op in step]
            answers = await self.store.abatch(step)
            for op, answer, wanted in zip(step, answers, expected, strict=True):
                self.compare(op, answer, wanted)
            for op in {(op.namespace, op.key): op for op in step if isinstance(op, PutOp)}.values():
                self.put(op)

    def forget(self, namespace: Any, key: str) -> None:
        self.reference.delete(namespace, key)
        self.known.pop((namespace, key), None)
        if not self.reference._data[namespace]:
            del self.reference._data[namespace]

    def put(self, op: PutOp) -> None:
        where = (op.namespace, op.key)
        if op.value is None:
            self.forget(*where)
            return
        self.reference.batch([op._replace(ttl=None)])
        self.puts += 1
        created = self.known[where]["created"] if where in self.known else self.now
        self.known[where] = {"created": created, "updated": self.now, "ttl": op.ttl, "place": self.puts}
        self.refresh(where)

    def refresh(self, where: Any) -> None:
        item = self.known[where]
        item["expires"] = None if item["ttl"] is None else self.now + timedelta(minutes=item["ttl"])

    def expected(self, op: Any) -> Any:
        """What InMemoryStore says, with a search whole and in our order; None for what it cannot compare."""
        if isinstance(op, PutOp):
            return None
        if isinstance(op, GetOp) and (op.namespace, op.key) not in self.known:
            return None
        if not isinstance(op, SearchOp):
            return self.reference.batch([op])[0]
        try:
            found: Any = self.reference.batch([op._replace(limit=1000, offset=0)])[0]
        except (TypeError, ValueError):
            return None
        found.sort(key=lambda item: -self.known[item.namespace, item.key]["place"])
        return found[op.offset : op.offset + op.limit]

    def compare(self, op: Any, answer: Any, wanted: Any) -> None:
        if isinstance(op, SearchOp):
            assert isinstance(answer, list)
            if wanted is not None:
                assert [shown(item) for item in answer] == [shown(item) for item in wanted]
            items = answer
        elif isinstance(op, GetOp):
            assert (answer and shown(answer)) == (wanted and shown(wanted))
            items = [answer] if answer else []
        else:
            assert answer == wanted
            return
        for item in items:
            known = self.known[item.namespace, item.key]
            assert (item.created_at, item.updated_at) == (known["created"], known["updated"])
            if op.refresh_ttl:
                self.refresh((item.namespace, item.key))


def shown(item: Any) -> Any:
    return item.namespace, item.key, item.value


STEP_LISTS = st.lists(STEPS, min_size=1, max_size=12)


async def compare(place: EachStore, steps: list[Any]) -> None:
    compared = Compared(place)
    await compared.reopen()
    async with compared.stack:
        for step in steps:
            await compared.take(step)


@given(STEP_LISTS)
@settings(max_examples=120, deadline=None)
def test_our_store_answers_what_the_in_memory_store_does(steps: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(compare(OnFile(Path(folder)), steps))


@given(steps=STEP_LISTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_our_store_on_postgres_does_too(postgres_uri: str, steps: list[Any]) -> None:
    with suppress(psycopg.errors.UndefinedTable), psycopg.connect(postgres_uri) as connection:
        connection.execute("TRUNCATE store_item CASCADE")
    asyncio.run(compare(OnPostgres(postgres_uri), steps))
