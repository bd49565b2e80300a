"""What every route takes from a request: the engine, the caller, ids that are UUIDs, paging headers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from starlette.requests import HTTPConnection

from threadkeep import json
from threadkeep.api.auth import watcher_of
from threadkeep.callers import Caller
from threadkeep.engine import Engine
from threadkeep.errors import InvalidError


async def engine_of(connection: HTTPConnection) -> Engine:
    """Async, although it waits for nothing: a plain function would be sent to a thread at every request."""
    engine: Engine = connection.app.state.engine
    return engine


EngineOf = Annotated[Engine, Depends(engine_of)]
CallerOf = Annotated[Caller, Depends(watcher_of)]
"""Given by the route, which asks the gate first."""


def uuid_of(kind: str, text: str) -> str:
    """The id in its canonical form, or `InvalidError` that names what it should be."""
    try:
        return str(UUID(text))
    except ValueError:
        raise InvalidError(f"Invalid {kind} ID: must be a UUID") from None


def page_headers(*, total: int, offset: int, returned: int) -> dict[str, str]:
    """`X-Pagination-Total` is the true total; `X-Pagination-Next` the next offset, when there is a next page."""
    headers = {"x-pagination-total": str(total)}
    if offset + returned < total:
        headers["x-pagination-next"] = str(offset + returned)
    return headers


def selected(row: dict[str, Any], select: Sequence[str] | None) -> dict[str, Any]:
    return row if not select else {key: value for key, value in row.items() if key in select}


def selected_state(state: dict[str, Any], select: list[str] | None) -> dict[str, Any]:
    """Fields of a state; `values.<key>` is one key of its values."""
    shown = selected(state, select)
    keys = [field.removeprefix("values.") for field in select or () if field.startswith("values.")]
    values = state["values"]
    if keys and "values" not in shown and isinstance(values, dict):
        shown["values"] = {key: values[key] for key in keys if key in values}
    return shown


def listed(values: list[str] | None) -> list[str] | None:
    """A repeated query parameter; older clients send a JSON list in one, and an empty one for none."""
    found: list[str] = []
    for text in values or ():
        try:
            parsed = json.loads(text) if text.startswith("[") else [text]
        except ValueError:
            parsed = [text]
        found += [str(item) for item in parsed if item]
    return list(dict.fromkeys(found)) or None
