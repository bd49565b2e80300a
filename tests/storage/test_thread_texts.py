"""Finding threads by words: all that have them, in any case, and nobody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.runs.records import NOW, enqueue
from threadkeep.callers import EVERYONE, Caller
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.run import Ending
from threadkeep.storage.database import Database
from threadkeep.storage.sqlite import open_sqlite
from threadkeep.storage.thread_rows import Thread, insert_thread
from threadkeep.storage.thread_texts import MOST_FOUND, note_conversation, threads_with_text
from threadkeep.storage.threads import Threads


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_sqlite(tmp_path / "server.db") as database:
        yield database


async def test_every_thread_with_some_words_is_found_and_none_of_somebody_elses(database: Database) -> None:
    def store(connection: Any) -> None:
        for number in range(4_000):
            owner, title = f"owner {number % 2}", f"Number {number}" if number % 3 else None
            thread = Thread(f"{number:08d}-0000-4000-8000-000000000000", "2026", owner=owner, metadata={"title": title})
            insert_thread(connection, thread)
            note_conversation(connection, thread.thread_id, f"Frage {number}: Äpfel?", f"\0Birnen  sind {number}")

    await database.write(store, durable=False)
    wanted = {number for number in range(4_000) if "77" in str(number)}

    async def found(text: str, caller: Caller = EVERYONE) -> set[int]:
        return {int(thread_id[:8]) for thread_id in await threads_with_text(database, text, caller)}

    assert await found("frage 3999: äpfel?") == {3999}
    assert await found("BIRNEN SIND 17") == {17, *range(170, 180), *range(1700, 1800)}
    assert await found("number 77") == {number for number in wanted if str(number)[:2] == "77" and number % 3}
    assert await found("77", Caller("owner 1")) == {number for number in wanted if number % 2}
    assert await found("00003999") == {3999}
    assert await found("%") == set()
    assert len(await found("birnen")) == MOST_FOUND
    assert min(await found("birnen", Caller("owner 0"))) == 0


async def test_words_follow_the_title_the_newest_run_and_the_deletion(database: Database) -> None:
    threads, queue = Threads(database), RunQueue(database)
    await enqueue(queue, "t1")
    [run] = await queue.claim(now=NOW, limit=1)
    await queue.finish(run, Ending("success", "idle", opening="About tea", preview="Green it is."), now=NOW)
    await threads.patch("t1", EVERYONE, now=NOW, metadata={"title": "Drinks"})
    for words in ("about tea", "green", "drinks"):
        assert await threads_with_text(database, words, EVERYONE) == ["t1"]
    await threads.patch("t1", EVERYONE, now=NOW, metadata={"title": "Food"})
    assert await threads_with_text(database, "drinks", EVERYONE) == []
    await database.write(lambda connection: connection.execute("DELETE FROM threads"))
    assert await database.read("SELECT * FROM thread_texts") == []
