"""What people thought of a run: a thumb and a note, the last word of whoever may see the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from threadkeep.storage.connection import Connection
from threadkeep.storage.database import Database

Thumb = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Feedback:
    thumb: Thumb | None = None
    note: str | None = None
    updated_at: str | None = None


class FeedbackTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, run_id: str) -> Feedback:
        """That of a run which its reader has been shown to see; an empty one when nobody has said anything."""
        row = await self._database.read_one(
            "SELECT thumb, note, updated_at FROM run_feedback WHERE run_id = ?", (run_id,)
        )
        return Feedback() if row is None else Feedback(*row)

    async def put(self, run_id: str, owner: str | None, feedback: Feedback) -> bool:
        """Replace what was said; with neither thumb nor note it is taken back. False when the run is gone."""

        def work(connection: Connection) -> bool:
            if connection.execute("SELECT 1 FROM runs WHERE run_id = ?", (run_id,)).fetchone() is None:
                return False
            connection.execute("DELETE FROM run_feedback WHERE run_id = ?", (run_id,))
            if feedback.thumb is not None or feedback.note:
                connection.execute(
                    "INSERT INTO run_feedback (run_id, owner, thumb, note, updated_at) VALUES (?, ?, ?, ?, ?)",
                    (run_id, owner, feedback.thumb, feedback.note, feedback.updated_at),
                )
            return True

        return await self._database.write(work)
