"""The outbox: webhooks that are still to be delivered.

A webhook is added in the transaction that ends its run, so a run that has ended has either told or will. It leaves when
its target has taken it, or when its time is up.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from threadkeep import json
from threadkeep.storage.connection import Connection
from threadkeep.storage.database import Database


@dataclass(frozen=True, slots=True)
class Webhook:
    webhook_id: str
    run_id: str
    url: str
    payload: bytes
    created_at: str
    owner: str | None = None
    attempts: int = 0


class Outbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, *, now: str, until: str, a_host: int, limit: int) -> list[Webhook]:
        """Whose time has come, the longest overdue first, at most `a_host` of them for each host.

        Where several processes share the outbox, no other one takes them before `until`.
        """
        due = await self._due(now=now, a_host=a_host, limit=limit)
        if not due or not self._database.dialect.leases:
            return due

        def work(connection: Connection) -> set[str]:
            ids = json.dumps_text([webhook.webhook_id for webhook in due])
            rows = connection.execute(
                """UPDATE outbox SET due_at = ? WHERE webhook_id IN (
                       SELECT webhook_id FROM outbox WHERE webhook_id IN (SELECT value FROM json_each(?))
                       AND due_at <= ? FOR UPDATE SKIP LOCKED)
                   RETURNING webhook_id""",
                (until, ids, now),
            ).fetchall()
            return {row[0] for row in rows}

        taken = await self._database.write(work)
        return [webhook for webhook in due if webhook.webhook_id in taken]

    async def _due(self, *, now: str, a_host: int, limit: int) -> list[Webhook]:
        rows = await self._database.read(
            """SELECT webhook_id, run_id, url, payload, created_at, owner, attempts FROM outbox
               WHERE webhook_id IN (
                   SELECT webhook_id FROM (
                       SELECT webhook_id, row_number() OVER (PARTITION BY host ORDER BY due_at, webhook_id) AS place
                       FROM outbox WHERE due_at <= ?) AS ranked
                   WHERE place <= ?)
               ORDER BY due_at, webhook_id LIMIT ?""",
            (now, a_host, limit),
        )
        return [Webhook(*row) for row in rows]

    async def next_time(self, *, after: str) -> str | None:
        """When the next one that is not due yet will be."""
        row = await self._database.read_one("SELECT min(due_at) FROM outbox WHERE due_at > ?", (after,))
        return None if row is None else row[0]

    async def remove(self, webhook: Webhook) -> None:
        """It was taken, or given up."""

        def work(connection: Connection) -> None:
            connection.execute("DELETE FROM outbox WHERE webhook_id = ?", (webhook.webhook_id,))

        await self._database.write(work)

    async def postpone(self, webhook: Webhook, *, due_at: str, error: str) -> None:
        def work(connection: Connection) -> None:
            connection.execute(
                "UPDATE outbox SET attempts = attempts + 1, last_error = ?, due_at = ? WHERE webhook_id = ?",
                (error, due_at, webhook.webhook_id),
            )

        await self._database.write(work)

    async def forget_thread(self, thread_id: str) -> None:
        """Whatever waits of a thread's runs is not to be told any more."""
        await self._forget("json_extract(CAST(payload AS TEXT), '$.thread_id') = ?", thread_id)

    async def forget_owner(self, owner: str) -> None:
        """The same of everything an owner's runs had to tell."""
        await self._forget("owner = ?", owner)

    async def _forget(self, condition: str, value: str) -> None:
        def work(connection: Connection) -> None:
            connection.execute(f"DELETE FROM outbox WHERE {condition}", (value,))

        await self._database.write(work)


def add_webhook(connection: Connection, webhook: Webhook) -> None:
    connection.execute(
        "INSERT INTO outbox (webhook_id, owner, run_id, url, host, payload, due_at, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            webhook.webhook_id,
            webhook.owner,
            webhook.run_id,
            webhook.url,
            urlsplit(webhook.url).netloc.lower(),
            webhook.payload,
            webhook.created_at,
            webhook.created_at,
        ),
    )
