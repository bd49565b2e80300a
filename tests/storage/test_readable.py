"""A row that cannot be read is passed over, in every list, and what is due beside it comes in its turn."""

from __future__ import annotations

import pytest

from tests.runs.records import NOW, enqueue
from threadkeep.callers import EVERYONE, Caller
from threadkeep.errors import CorruptError
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.run import Ending, RunKwargs
from threadkeep.storage.assistants import Assistant, AssistantQuery, Assistants, system_assistant_id
from threadkeep.storage.crons import Cron, CronQuery, Crons
from threadkeep.storage.database import Database
from threadkeep.storage.thread_rows import Thread
from threadkeep.storage.threads import ThreadQuery, Threads

UNREADABLE = '{"a": ' + "9" * 400 + "}"


async def damage(database: Database, table: str, column: str, name: str, row_id: str) -> None:
    """As a version that took any number has written it."""
    sql = f"UPDATE {table} SET {column} = ? WHERE {name} = ?"
    await database.write(lambda connection: connection.execute(sql, (UNREADABLE, row_id)))


async def test_a_list_of_threads_shows_the_rest(database: Database) -> None:
    threads = Threads(database)
    for thread_id in ("a", "b"):
        await threads.create(Thread(thread_id, NOW, owner="ada"), keep_existing=False)
    await damage(database, "threads", "metadata", "thread_id", "a")
    assert [thread.thread_id for thread in await threads.search(ThreadQuery(), EVERYONE)] == ["b"]
    with pytest.raises(CorruptError, match="The thread a cannot be read"):
        await threads.get("a", EVERYONE)


async def test_a_list_of_assistants_shows_the_rest_and_a_start_goes_on(database: Database) -> None:
    assistants = Assistants(database)
    await assistants.install_system({"g": None}, now=NOW)
    await assistants.create(Assistant("x", "g", "mine", NOW, NOW), keep_existing=False)
    await damage(database, "assistants", "metadata", "assistant_id", system_assistant_id("g"))
    found, total = await assistants.search(AssistantQuery(), EVERYONE)
    assert ([one.assistant_id for one in found], total) == (["x"], 1)
    await assistants.install_system({"g": "told"}, now=NOW)


async def test_a_cron_is_passed_over_and_the_others_are_due(database: Database) -> None:
    await Assistants(database).install_system({"g": None}, now=NOW)
    crons, assistant = Crons(database), system_assistant_id("g")
    for cron_id in ("a", "b"):
        await crons.create(Cron(cron_id, assistant, "* * * * *", NOW, NOW, next_run_date=NOW), EVERYONE)
    await damage(database, "crons", "payload", "cron_id", "a")
    assert [cron.cron_id for cron in await crons.due(now=NOW, limit=1)] == []
    assert [cron.cron_id for cron in await crons.due(now=NOW, limit=1)] == ["b"]
    found, total = await crons.search(CronQuery(), EVERYONE)
    assert ([cron.cron_id for cron in found], total) == (["b"], 1)


async def test_a_run_is_claimed_with_what_is_wrong_and_the_others_start_beside_it(database: Database) -> None:
    queue = RunQueue(database, worker_id="this", lease_seconds=0)
    bad, good = [(await enqueue(queue, thread_id)).run for thread_id in ("a", "b")]
    await damage(database, "runs", "kwargs", "run_id", bad.run_id)
    assert [run.run_id for run in await queue.active_runs(EVERYONE)] == [good.run_id]
    claimed = await queue.claim(now=NOW, limit=10)
    assert [run.run_id for run in claimed] == [bad.run_id, good.run_id]
    assert claimed[0].error is not None
    assert (claimed[0].error["error"], claimed[0].kwargs, claimed[1].error) == ("UnreadableRun", RunKwargs(), None)
    # Once it has been told, its row can be read: by its clients, and after a restart.
    assert (await queue.get(bad.run_id, EVERYONE)).error == claimed[0].error
    await queue.finish(claimed[0], Ending("error", "error", error=claimed[0].error), now=NOW)
    assert [run.status for run in await queue.list_runs("a", EVERYONE)] == ["error"]


@pytest.mark.parametrize("strategy", ["interrupt", "rollback"])
async def test_a_waiting_run_that_cannot_be_read_can_be_replaced(database: Database, strategy: str) -> None:
    queue = RunQueue(database, worker_id="this", lease_seconds=0)
    bad = (await enqueue(queue, "t")).run
    await damage(database, "runs", "metadata", "run_id", bad.run_id)
    new = (await enqueue(queue, "t", multitask_strategy=strategy)).run
    assert [run.run_id for run in await queue.claim(now=NOW, limit=10)] == [new.run_id]


async def test_runs_of_a_thread_that_cannot_be_read_are_nobodys_in_particular(database: Database) -> None:
    queue = RunQueue(database, worker_id="this", lease_seconds=0)
    await enqueue(queue, "t")
    await damage(database, "threads", "metadata", "thread_id", "t")
    assert await queue.active_runs(Caller("ada", "ada")) == []
    assert len(await queue.active_runs(EVERYONE)) == 1
