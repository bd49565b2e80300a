"""What a thread's ended runs used in all, kept as they end, so that reading it is one look-up.

Tokens are spent for good: deleting a run, or undoing it, takes nothing away. A cost that is partly unknown is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from threadkeep.storage.connection import Connection
from threadkeep.storage.database import Database
from threadkeep.storage.thread_rows import Thread

_FIELDS = ("model_calls", "input_tokens", "output_tokens", "total_tokens", "cost_usd")

NOTHING_USED: Mapping[str, Any] = dict.fromkeys(_FIELDS, 0)


def add_thread_usage(connection: Connection, thread_id: str, usage: Mapping[str, Any]) -> None:
    connection.execute(
        """INSERT INTO thread_usage VALUES (?, 1, ?, ?, ?, ?, ?)
           ON CONFLICT (thread_id) DO UPDATE SET runs = thread_usage.runs + 1,
               model_calls = thread_usage.model_calls + excluded.model_calls,
               input_tokens = thread_usage.input_tokens + excluded.input_tokens,
               output_tokens = thread_usage.output_tokens + excluded.output_tokens,
               total_tokens = thread_usage.total_tokens + excluded.total_tokens,
               cost_usd = thread_usage.cost_usd + excluded.cost_usd""",
        (thread_id, *(usage[name] for name in _FIELDS)),
    )


async def thread_usage(database: Database, thread: Thread) -> dict[str, Any]:
    """`runs`, `model_calls`, tokens and `cost_usd` of a thread that its reader has been shown to see."""
    row = await database.read_one(
        f"SELECT runs, {', '.join(_FIELDS)} FROM thread_usage WHERE thread_id = ?", (thread.thread_id,)
    )
    return dict(zip(("runs", *_FIELDS), row or (0,) * 6, strict=True))
