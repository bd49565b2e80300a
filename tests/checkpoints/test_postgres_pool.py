"""The connections to PostgreSQL: how they are shared, cancelled, and given up."""

from __future__ import annotations

import asyncio

import pytest

from checkpoints.postgres.pool import Cursor, DatabaseUnavailableError, Pool, open_pool

SECONDS = 30


async def one(cursor: Cursor) -> int:
    await cursor.execute("SELECT 1 AS one")
    found = await cursor.fetchone()
    assert found is not None
    return int(found["one"])


async def held(pool: Pool) -> tuple[asyncio.Task[None], asyncio.Event]:
    """A connection is taken, until the event is set."""
    taken, let_go = asyncio.Event(), asyncio.Event()

    async def hold(cursor: Cursor) -> None:
        taken.set()
        await let_go.wait()

    holder = asyncio.create_task(pool.run(hold))
    await taken.wait()
    return holder, let_go


@pytest.mark.parametrize("turns", range(8))
async def test_a_cancellation_counts_even_when_the_connection_has_just_come(postgres_uri: str, turns: int) -> None:
    async with asyncio.timeout(SECONDS), open_pool(postgres_uri, size=1, name="test") as pool:
        for _ in range(10):
            holder, let_go = await held(pool)
            waiter = asyncio.create_task(pool.run(one))
            while not pool.connections.get_stats().get("requests_waiting"):  # noqa: ASYNC110 - the pool tells nobody
                await asyncio.sleep(0)
            let_go.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            if not waiter.done():
                waiter.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiter
            await holder
        assert await pool.run(one) == 1


async def test_a_cancelled_statement_leaves_a_pool_that_works(postgres_uri: str) -> None:
    async with asyncio.timeout(SECONDS), open_pool(postgres_uri, size=1, name="test") as pool:

        async def sleep(cursor: Cursor) -> None:
            started.set()
            await cursor.execute("SELECT pg_sleep(60)")

        started = asyncio.Event()
        sleeping = asyncio.create_task(pool.run(sleep))
        await started.wait()
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert await pool.run(one) == 1


async def test_a_statement_that_the_database_finds_too_long_is_told_at_once(postgres_uri: str) -> None:
    async with asyncio.timeout(SECONDS), open_pool(postgres_uri, size=1, name="test") as pool:

        async def too_long(cursor: Cursor) -> None:
            await cursor.execute("SET LOCAL statement_timeout = 20")
            await cursor.execute("SELECT pg_sleep(60)")

        with pytest.raises(DatabaseUnavailableError, match="took too long"):
            await pool.transaction(too_long)


async def test_who_meets_a_deadlock_tries_again(postgres_uri: str) -> None:
    async with asyncio.timeout(SECONDS), open_pool(postgres_uri, size=2, name="test") as pool:
        both_have_one = asyncio.Barrier(2)
        tries = 0

        async def take(cursor: Cursor, first: int, second: int) -> None:
            nonlocal tries
            tries += 1
            await cursor.execute("SELECT pg_advisory_xact_lock(%s)", (first,))
            if tries <= 2:
                await both_have_one.wait()
            await cursor.execute("SELECT pg_advisory_xact_lock(%s)", (second,))

        await asyncio.gather(
            pool.transaction(lambda cursor: take(cursor, 1, 2)), pool.transaction(lambda cursor: take(cursor, 2, 1))
        )
        assert tries == 3


async def test_a_pool_without_a_free_connection_is_told_when_patience_ends(postgres_uri: str) -> None:
    opening = open_pool(postgres_uri, size=1, name="test", patience_seconds=0.2)
    async with asyncio.timeout(SECONDS), opening as pool:
        holder, let_go = await held(pool)
        with pytest.raises(DatabaseUnavailableError, match="at the moment"):
            await pool.run(one)
        let_go.set()
        await holder
        assert await pool.run(one) == 1
