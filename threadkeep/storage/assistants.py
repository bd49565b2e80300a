"""Assistants and their versions: a graph with a configuration, under an id that clients keep.

Every graph has a system assistant whose id follows from the graph's name, so that clients may compute it; it is made
anew at each start and can be neither changed away nor deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid5

from threadkeep import json
from threadkeep.callers import Caller
from threadkeep.errors import BadRequestError, ConflictError, ForbiddenError, NotFoundError
from threadkeep.storage.connection import Connection, Row
from threadkeep.storage.database import Database
from threadkeep.storage.metadata import contains, visible
from threadkeep.storage.readable import readable, reads

# The namespace that every Agent Server derives its system assistants' ids from; clients hard-code the results.
_NAMESPACE = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")

SORT_COLUMNS = ("assistant_id", "created_at", "updated_at", "name", "graph_id")

_COLUMNS = (
    "assistant_id, owner, graph_id, version, name, description, config, context, metadata, created_at, updated_at"
)


def system_assistant_id(graph_id: str) -> str:
    return str(uuid5(_NAMESPACE, graph_id))


@dataclass(frozen=True, slots=True)
class Assistant:
    assistant_id: str
    graph_id: str
    name: str
    created_at: str
    updated_at: str
    owner: str | None = None
    version: int = 1
    description: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def is_system(self) -> bool:
        return self.assistant_id == system_assistant_id(self.graph_id)


@dataclass(frozen=True, slots=True)
class AssistantQuery:
    graph_id: str | None = None
    name: str | None = None
    metadata: dict[str, Any] | None = None
    sort_by: str = "created_at"
    descending: bool = True
    limit: int = 10
    offset: int = 0


class Assistants:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def install_system(self, graphs: Mapping[str, str | None], *, now: str) -> None:
        """One system assistant for each graph (id -> description); those of graphs that left stay for their threads."""

        def work(connection: Connection) -> None:
            connection.lock(*(_key(system_assistant_id(graph_id)) for graph_id in graphs))
            for graph_id, description in graphs.items():
                assistant_id = system_assistant_id(graph_id)
                if not _is_there(connection, assistant_id):
                    assistant = Assistant(
                        assistant_id,
                        graph_id,
                        graph_id,
                        now,
                        now,
                        None,
                        1,
                        description,
                        {},
                        {},
                        {"created_by": "system"},
                    )
                    _insert(connection, assistant)
                else:
                    connection.execute(
                        "UPDATE assistants SET description = ? WHERE assistant_id = ? AND version = 1",
                        (description, assistant_id),
                    )

        await self._database.write(work)

    async def create(self, assistant: Assistant, *, keep_existing: bool) -> Assistant:
        def work(connection: Connection) -> Assistant:
            connection.lock(_key(assistant.assistant_id))
            present = _find(connection, assistant.assistant_id)
            if present is None:
                _insert(connection, assistant)
                return assistant
            if keep_existing and present.owner == assistant.owner:
                return present
            raise ConflictError(f"Assistant with ID {assistant.assistant_id} already exists")

        return await self._database.write(work)

    async def get(self, assistant_id: str, caller: Caller) -> Assistant:
        row = await self._database.read_one(
            f"SELECT {_COLUMNS} FROM assistants WHERE assistant_id = ?", (assistant_id,)
        )
        return _visible(None if row is None else _assistant(row), assistant_id, caller)

    async def search(self, query: AssistantQuery, caller: Caller) -> tuple[list[Assistant], int]:
        """One page of the matching assistants, and how many match in all."""
        assert query.sort_by in SORT_COLUMNS
        direction = "DESC" if query.descending else "ASC"
        rows = await self._database.read(
            f"""SELECT {_COLUMNS} FROM assistants
                WHERE (:owner IS NULL OR owner = :owner OR owner IS NULL) AND (:graph IS NULL OR graph_id = :graph)
                  AND (:name IS NULL OR instr(lower(name), lower(:name)) > 0)
                ORDER BY {query.sort_by} {direction}, assistant_id {direction}""",
            {"owner": caller.owner, "graph": query.graph_id, "name": query.name},
        )
        found = readable(_assistant, rows)
        found = [
            one
            for one in found
            if contains(one.metadata, query.metadata or {})
            and (one.owner is None or visible(one.owner, one.metadata, caller))
        ]
        return found[query.offset : query.offset + query.limit], len(found)

    async def update(self, assistant_id: str, caller: Caller, *, now: str, changes: dict[str, Any]) -> Assistant:
        """Store the next version: the present one with `changes` (field -> value; metadata is merged)."""

        def work(connection: Connection) -> Assistant:
            connection.lock(_key(assistant_id))
            present = _changeable(_find(connection, assistant_id), assistant_id, caller)
            query = "SELECT max(version) FROM assistant_versions WHERE assistant_id = ?"
            newest: Row = connection.execute(query, (assistant_id,)).fetchall()[0]
            changed = dict(changes)
            if "metadata" in changed:
                changed["metadata"] = {**present.metadata, **changed["metadata"]}
            if present.is_system and changed.get("graph_id", present.graph_id) != present.graph_id:
                raise BadRequestError("A system assistant keeps its graph; create another assistant for that.")
            updated = replace(present, **changed, version=int(newest[0]) + 1, updated_at=now)
            _replace(connection, updated)
            _insert_version(connection, updated)
            return updated

        return await self._database.write(work)

    async def delete(self, assistant_id: str, caller: Caller) -> None:
        def work(connection: Connection) -> None:
            if _changeable(_find(connection, assistant_id), assistant_id, caller).is_system:
                raise ConflictError("A system assistant stands for its graph and cannot be deleted.")
            connection.execute("DELETE FROM assistants WHERE assistant_id = ?", (assistant_id,))

        await self._database.write(work)

    async def versions(self, assistant_id: str, caller: Caller) -> list[Assistant]:
        """All versions, newest first; `updated_at` of each is when it was made."""
        present = await self.get(assistant_id, caller)
        rows = await self._database.read(
            """SELECT assistant_id, NULL, graph_id, version, name, description, config, context, metadata, created_at,
                      created_at
               FROM assistant_versions WHERE assistant_id = ? ORDER BY version DESC""",
            (present.assistant_id,),
        )
        return readable(_assistant, rows)

    async def set_latest(self, assistant_id: str, version: int, caller: Caller, *, now: str) -> Assistant:
        """Go back (or forward) to a stored version, whole: graph, name, description, config, context and metadata."""
        for stored in await self.versions(assistant_id, caller):
            if stored.version == version:
                break
        else:
            raise NotFoundError(f"Version {version} not found for assistant {assistant_id}")

        def work(connection: Connection) -> Assistant:
            present = _changeable(_find(connection, assistant_id), assistant_id, caller)
            restored = replace(stored, owner=present.owner, created_at=present.created_at, updated_at=now)
            _replace(connection, restored)
            return restored

        return await self._database.write(work)


def _visible(assistant: Assistant | None, assistant_id: str, caller: Caller) -> Assistant:
    """The system assistants (and all that nobody owns) are everybody's to use."""
    if assistant is None or not (assistant.owner is None or visible(assistant.owner, assistant.metadata, caller)):
        raise NotFoundError(f"Assistant with ID {assistant_id} not found")
    return assistant


def _key(assistant_id: str) -> str:
    return f"assistant:{assistant_id}"


def _changeable(assistant: Assistant | None, assistant_id: str, caller: Caller) -> Assistant:
    found = _visible(assistant, assistant_id, caller)
    if found.owner is None and caller.owner is not None:
        raise ForbiddenError(f"Assistant {assistant_id} is everybody's; make one of your own to change it.")
    return found


def _find(connection: Connection, assistant_id: str) -> Assistant | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM assistants WHERE assistant_id = ?", (assistant_id,)).fetchone()
    return None if row is None else _assistant(row)


def _is_there(connection: Connection, assistant_id: str) -> bool:
    return connection.execute("SELECT 1 FROM assistants WHERE assistant_id = ?", (assistant_id,)).fetchone() is not None


def _insert(connection: Connection, assistant: Assistant) -> None:
    _replace(connection, assistant)
    _insert_version(connection, assistant)


def _replace(connection: Connection, assistant: Assistant) -> None:
    connection.execute(
        f"""INSERT INTO assistants ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (assistant_id) DO UPDATE SET graph_id = excluded.graph_id, version = excluded.version,
                name = excluded.name, description = excluded.description, config = excluded.config,
                context = excluded.context, metadata = excluded.metadata, updated_at = excluded.updated_at""",
        (
            assistant.assistant_id,
            assistant.owner,
            assistant.graph_id,
            assistant.version,
            assistant.name,
            assistant.description,
            json.dumps_text(assistant.config),
            json.dumps_text(assistant.context),
            json.dumps_text(assistant.metadata),
            assistant.created_at,
            assistant.updated_at,
        ),
    )


def _insert_version(connection: Connection, assistant: Assistant) -> None:
    connection.execute(
        "INSERT INTO assistant_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            assistant.assistant_id,
            assistant.version,
            assistant.graph_id,
            assistant.name,
            assistant.description,
            json.dumps_text(assistant.config),
            json.dumps_text(assistant.context),
            json.dumps_text(assistant.metadata),
            assistant.updated_at,
        ),
    )


@reads("assistant")
def _assistant(row: Row) -> Assistant:
    assistant_id, owner, graph_id, version, name, description, config, context, metadata, created_at, updated_at = row
    return Assistant(
        assistant_id=assistant_id,
        owner=owner,
        graph_id=graph_id,
        version=version,
        name=name,
        description=description,
        config=json.loads(config),
        context=json.loads(context),
        metadata=json.loads(metadata),
        created_at=created_at,
        updated_at=updated_at,
    )
