"""Finding threads by what all of them have and by what few have gives the same as looking at each."""

from __future__ import annotations

from typing import Any

import pytest

from threadkeep.callers import EVERYONE, Caller
from threadkeep.storage.database import Database
from threadkeep.storage.metadata import contains
from threadkeep.storage.thread_rows import Thread, insert_thread
from threadkeep.storage.threads import ThreadQuery, Threads

MANY = [
    Thread(
        f"{number:08d}-0000-4000-8000-000000000000",
        f"2026-01-01T00:00:00.{number:06d}+00:00",
        owner=f"owner {number % 3}",
        status="interrupted" if number % 5 == 0 else "idle",
        metadata={
            "graph_id": "all",
            "tags": ["even" if number % 2 == 0 else "odd"],
            "number": {"is": number},
            **({f"extra {place}": number for place in range(8)} if number < 100 else {}),
        },
        updated_at=f"2026-01-01T00:00:01.{(number * 7919) % 1000:06d}+00:00",
    )
    for number in range(1_300)
]


def matching(query: ThreadQuery, caller: Caller) -> list[str]:
    found = [
        thread
        for thread in MANY
        if (caller.owner is None or thread.owner == caller.owner)
        and (query.status is None or thread.status == query.status)
        and contains(thread.metadata, {**(query.metadata or {}), **caller.filters})
    ]
    newest_first = sorted(found, key=lambda thread: (thread.updated_at, thread.thread_id), reverse=True)
    return [thread.thread_id for thread in newest_first]


@pytest.mark.parametrize(
    ("metadata", "status", "caller"),
    [
        ({"graph_id": "all"}, None, EVERYONE),
        ({"graph_id": "none"}, None, EVERYONE),
        ({"number": {"is": 77}}, None, EVERYONE),
        ({"graph_id": "all", "tags": ["even"]}, None, EVERYONE),
        ({"graph_id": "all", "number": {"is": 77}}, None, EVERYONE),
        ({"tags": ["odd"]}, "interrupted", EVERYONE),
        ({"graph_id": "all"}, None, Caller("owner 1")),
        (None, None, Caller("owner 2")),
        ({"tags": ["odd"]}, None, Caller(filters={"graph_id": "all"})),
        ({"graph_id": "all"}, None, Caller(filters={"graph_id": "all"})),
        ({}, None, EVERYONE),
        ({f"key {number}": number for number in range(60)}, None, EVERYONE),
        ({"graph_id": "all", "number": {"is": 77}, **{f"extra {number}": 77 for number in range(8)}}, None, EVERYONE),
    ],
)
async def test_common_and_rare_metadata_find_the_same_threads_as_looking_at_each(
    database: Database, metadata: dict[str, Any] | None, status: Any, caller: Caller
) -> None:
    def store(connection: Any) -> None:
        for thread in MANY:
            insert_thread(connection, thread)

    await database.write(store, durable=False)
    threads = Threads(database)
    query = ThreadQuery(metadata=metadata, status=status, limit=1_000, sort_by="updated_at", descending=True)
    expected = matching(query, caller)
    assert await threads.count(query, caller) == len(expected)
    assert [thread.thread_id for thread in await threads.search(query, caller)] == expected[:1_000]
