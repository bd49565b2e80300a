"""The crons table: a time of a cron is used once, however many want it."""

from __future__ import annotations

import asyncio

from tests.runs.records import LATER, NOW
from threadkeep.callers import EVERYONE
from threadkeep.storage.assistants import Assistants, system_assistant_id
from threadkeep.storage.crons import Cron, CronMovedOnError, Crons, mark_fired
from threadkeep.storage.database import Database


async def test_of_many_that_want_to_fire_the_same_time_one_does(database: Database) -> None:
    await Assistants(database).install_system({"g": None}, now=NOW)
    cron = Cron("c", system_assistant_id("g"), "* * * * *", NOW, NOW, next_run_date=NOW)
    await Crons(database).create(cron, EVERYONE)
    tries = [database.write(lambda connection: mark_fired(connection, cron, LATER)) for _ in range(8)]
    came = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(str(type(one).__name__) for one in came) == ["CronMovedOnError"] * 7 + ["NoneType"]
    assert CronMovedOnError in {type(one) for one in came}
    assert (await Crons(database).get("c", EVERYONE)).next_run_date == LATER
