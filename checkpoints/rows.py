"""What one call adds to the file, and the statements that add many of them at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import apsw


@dataclass(slots=True)
class Rows:
    """What one call adds: a checkpoint or a task's writes, and the values that belong to it. All of it or none.

    Many of them wait at once, so each is one flat object: the garbage collector runs for every few hundred.
    """

    namespace: int
    checkpoint_id: str = ""
    ordinal: int = 0
    body: int = 0
    kind: str | None = None
    data: bytes = b""
    blocks: Sequence[tuple[int, int, int, str | None, bytes]] = ()  # position, length, body, its type and data
    named: tuple[str, str] | None = None  # the thread and namespace, if these are its first rows
    run: str | None = None
    replaces: bool = False  # there may be a checkpoint of this id
    answered: bool = False  # committed or refused
    error: Exception | None = None
    waiter: asyncio.Future[None] | None = None

    def settle(self) -> None:
        """They are committed or refused: let go of what they held."""
        self.answered = True
        self.blocks, self.data = (), b""


def insert(writer: apsw.Connection, queue: list[Rows]) -> int:
    """Each table's rows in one go; the bytes of everything bulky."""
    if any(rows.named for rows in queue):
        writer.executemany(
            "INSERT INTO namespace VALUES (?, ?, ?)", ((rows.namespace, *rows.named) for rows in queue if rows.named)
        )
    bulky = bodies(queue)
    writer.executemany("INSERT INTO body VALUES (?, ?, ?)", bulky)
    writer.executemany(
        "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)",
        [(rows.namespace, rows.checkpoint_id, rows.ordinal, rows.body) for rows in queue],
    )
    writer.executemany(
        "INSERT INTO block VALUES (?, ?, ?, ?)",
        [(rows.namespace, *block[:3]) for rows in queue for block in rows.blocks],
    )
    if any(rows.run for rows in queue):
        writer.executemany(
            "INSERT OR IGNORE INTO run VALUES (?, ?)", ((rows.run, rows.namespace) for rows in queue if rows.run)
        )
    return sum([len(data) for _, _, data in bulky])


def bodies(queue: list[Rows]) -> list[tuple[int, str | None, bytes]]:
    """`(id, type, data)` of everything bulky, the ids ascending."""
    bulky: list[tuple[int, str | None, bytes]] = []
    for rows in queue:
        bulky += [block[2:] for block in rows.blocks]
        bulky.append((rows.body, rows.kind, rows.data))
    return bulky


def forget_checkpoint(connection: apsw.Connection, namespace: int, checkpoint_id: str) -> None:
    """Delete the stored checkpoint of that id, hidden or not, if there is one; the writes on it stay."""
    which = "namespace = ? AND checkpoint_id = ? AND ordinal <= 0"
    key = (namespace, checkpoint_id)
    connection.execute(f"DELETE FROM body WHERE id IN (SELECT body FROM entry WHERE {which})", key)  # noqa: S608
    connection.execute(f"DELETE FROM entry WHERE {which}", key)  # noqa: S608
