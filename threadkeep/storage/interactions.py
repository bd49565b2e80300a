"""Totals of ended runs, kept as they end: never a scan over the runs, however many there are."""

from __future__ import annotations

from typing import Any

from threadkeep.storage.connection import Connection
from threadkeep.storage.database import Database


def count_interaction(
    connection: Connection,
    *,
    graph_id: str,
    user_id: str | None,
    success: bool,
    seconds: float,
    tokens: int,
    cost_usd: float | None,
) -> None:
    connection.execute(
        """INSERT INTO interaction_totals VALUES (?, ?, 1, ?, ?, ?, ?)
           ON CONFLICT (graph_id, user_id) DO UPDATE SET interactions = interaction_totals.interactions + 1,
               successes = interaction_totals.successes + excluded.successes,
               duration_seconds = interaction_totals.duration_seconds + excluded.duration_seconds,
               total_tokens = interaction_totals.total_tokens + excluded.total_tokens,
               cost_usd = interaction_totals.cost_usd + excluded.cost_usd""",
        (graph_id, user_id or "", int(success), seconds, tokens, cost_usd),
    )


async def interaction_totals(database: Database) -> dict[str, Any]:
    """Interactions, how many of them went well, how long they took, tokens and cost (null where some price is not
    known): in all, per graph, per user that was named."""
    rows = await database.read(
        """SELECT graph_id, user_id, interactions, successes, duration_seconds, total_tokens, cost_usd
           FROM interaction_totals ORDER BY 1, 2"""
    )
    graphs = sorted({row[0] for row in rows})
    users = sorted({row[1] for row in rows if row[1]})
    return {
        **_summary(rows),
        "graphs": {graph: _summary([row for row in rows if row[0] == graph]) for graph in graphs},
        "users": {user: _summary([row for row in rows if row[1] == user]) for user in users},
    }


def _summary(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    total = sum(row[2] for row in rows)
    costs = [row[6] for row in rows]
    return {
        "total_interactions": total,
        "success_rate": round(sum(row[3] for row in rows) / total, 6) if total else None,
        "avg_duration_seconds": round(sum(row[4] for row in rows) / total, 6) if total else None,
        "total_tokens": sum(row[5] for row in rows),
        "total_cost_usd": None if None in costs else round(sum(costs), 9),
    }
