"""Finding threads by words: in their title, in how their conversation begins and how it ends, or in their id.

Every row of the caller is looked at, the newest threads first, in bites of a few milliseconds, so that nobody waits for
a search but who asked for it: some 0.2 s where there are 100,000 threads. An index of words would cost every run
something, and find no part of a word.
"""

from __future__ import annotations

import asyncio
from typing import Any

from threadkeep.callers import Caller
from threadkeep.storage.connection import Connection
from threadkeep.storage.database import Database

_BITE = 1_500
MOST_FOUND = 2_000
"""Who finds more wants other words; those of the newest threads are kept."""


async def threads_with_text(database: Database, text: str, caller: Caller) -> list[str]:
    """Ids of the caller's threads that have `text` in them, in any case; at most `MOST_FOUND`."""
    mine, owner = ("", ()) if caller.owner is None else ("AND owner = ?", (caller.owner,))
    words = _folded(text)
    found: list[str] = []
    below = "~"  # after every id
    while len(found) < MOST_FOUND:
        border = await database.read_one(
            f"""SELECT thread_id FROM thread_texts WHERE thread_id < ? {mine}
                ORDER BY thread_id DESC LIMIT 1 OFFSET {_BITE}""",
            (below, *owner),
        )
        least = "" if border is None else border[0]
        rows = await database.read(
            f"""SELECT thread_id FROM thread_texts WHERE thread_id < ? AND thread_id >= ? {mine}
                AND (instr(title, ?) > 0 OR instr(opening, ?) > 0 OR instr(preview, ?) > 0 OR instr(thread_id, ?) > 0)
                ORDER BY thread_id DESC""",
            (below, least, *owner, words, words, words, words),
        )
        found += [row[0] for row in rows]
        if not least:
            break
        below = least
        await asyncio.sleep(0)
    return found[:MOST_FOUND]


async def keep_conversation(database: Database, thread_id: str, opening: str | None, preview: str | None) -> None:
    """The same as `note_conversation`, where no run ends."""
    await database.write(lambda connection: note_conversation(connection, thread_id, opening, preview), durable=False)


def add_texts(connection: Connection, thread_id: str, owner: str | None, title: Any, preview: str | None) -> None:
    connection.execute(
        "INSERT INTO thread_texts (thread_id, owner, title, preview) VALUES (?, ?, ?, ?)",
        (thread_id, owner, _title(title), _folded(preview or "")),
    )


def note_title(connection: Connection, thread_id: str, title: Any) -> None:
    connection.execute("UPDATE thread_texts SET title = ? WHERE thread_id = ?", (_title(title), thread_id))


def note_conversation(connection: Connection, thread_id: str, opening: str | None, preview: str | None) -> None:
    """How it begins and ends now; what is None stays as it was."""
    if opening or preview:
        connection.execute(
            """UPDATE thread_texts SET opening = coalesce(?, opening), preview = coalesce(?, preview)
               WHERE thread_id = ?""",
            (opening and _folded(opening), preview and _folded(preview), thread_id),
        )


def _title(title: Any) -> str:
    return _folded(title) if isinstance(title, str) else ""


def _folded(text: str) -> str:
    """Without what nobody types alike: case, and how words are parted. No NUL, which PostgreSQL cannot keep."""
    return " ".join(text.replace("\0", " ").lower().split())
