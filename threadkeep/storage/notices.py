"""What other processes on the same database have done: heard at once, as ids only.

PostgreSQL tells every listener what a committed transaction had to `tell`. Nothing is lost by missing some of it (rows
are the truth, and everything is looked at now and then), so a listener that was cut off simply says so when it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import structlog

from threadkeep.storage.postgres_schema import CHANNEL, OPTIONS

log = structlog.get_logger("threadkeep.notices")

_RETRY_SECONDS = 1.0
_ALIVE_SECONDS = 15.0


async def listen(uri: str, process: str, heard: Callable[[str], None], missed: Callable[[], None]) -> None:
    """Call `heard` with each thing that another process tells, and `missed` when some of it may have gone by."""
    while True:
        try:
            await _until_cut_off(uri, process, heard, missed)
        except psycopg.Error as error:
            log.warning("notices_interrupted", error=" ".join(str(error).split()))
        await asyncio.sleep(_RETRY_SECONDS)


async def _until_cut_off(uri: str, process: str, heard: Callable[[str], None], missed: Callable[[], None]) -> None:
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True, **OPTIONS) as raw:
        await raw.execute(f"LISTEN {CHANNEL}")
        missed()
        while True:
            async for notice in raw.notifies(timeout=_ALIVE_SECONDS):
                sender, _, news = notice.payload.partition(" ")
                if sender != process:
                    heard(news)
            await raw.execute("SELECT 1")  # a connection that died in silence is found out
