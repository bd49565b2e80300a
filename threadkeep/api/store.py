"""The long-term store over HTTP: items by namespace and key, for every thread of every graph to share.

What an item is, how filters and similarity work and when items expire is the store's own business; here stand only the
wire's habits: namespaces joined by dots in a query, a missing item that is `null`, deleting that always succeeds.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from langgraph.store.base import NOT_PROVIDED, BaseStore, Item, SearchItem
from pydantic import Field
from starlette.responses import Response

from threadkeep import json
from threadkeep.api.examples import ITEM, documented
from threadkeep.api.requests import CallerOf, EngineOf
from threadkeep.api.responses import Json
from threadkeep.api.routing import Route
from threadkeep.api.schemas import Body, Object, example
from threadkeep.clock import timestamp
from threadkeep.errors import BadRequestError, InvalidError, StorageFullError, UnavailableError, UnsupportedError

router = APIRouter(prefix="/store", tags=["Store"], route_class=Route)

_RESERVED_ROOT = "langgraph"


class ItemPut(Body):
    namespace: list[str]
    key: str = Field(min_length=1, max_length=1024)
    value: Object
    index: Literal[False] | list[str] | None = Field(None, description="Fields to find it by; false for none")
    ttl: float | None = Field(None, gt=0, le=60 * 24 * 36500, description="Minutes")

    model_config = example({"namespace": ["users", "ada"], "key": "language", "value": {"speaks": "English"}})


class ItemKey(Body):
    namespace: list[str]
    key: str

    model_config = example({"namespace": ["users", "ada"], "key": "language"})


class ItemSearch(Body):
    namespace_prefix: list[str] = Field(default_factory=list)
    filter: Object | None = Field(
        None, description="Fields to be equal, or {field: {$gt: 3}}: $eq $ne $gt $gte $lt $lte"
    )
    limit: int | None = Field(10, ge=1, le=1000)
    offset: int | None = Field(0, ge=0, le=2**31)
    query: str | None = Field(None, description="Words to be near to, when the store has an index")
    refresh_ttl: bool | None = None

    model_config = example({"namespace_prefix": ["users"], "filter": {"speaks": "English"}})


class NamespaceSearch(Body):
    prefix: list[str] | None = None
    suffix: list[str] | None = None
    max_depth: int | None = Field(None, ge=1, le=100)
    limit: int | None = Field(100, ge=1, le=1000)
    offset: int | None = Field(0, ge=0, le=2**31)

    model_config = example({"prefix": ["users"], "max_depth": 2})


@router.put("/items", status_code=204)
async def put_item(body: ItemPut, engine: EngineOf, caller: CallerOf) -> Response:
    """Makes the item, or overwrites it."""
    namespace = writable(body.namespace)
    ttl: Any = NOT_PROVIDED if body.ttl is None else body.ttl
    async with _asked(engine.graphs.store_of(caller.owner)) as store:
        # Plain JSON, whatever the store's own encoder makes of huge numbers and half characters.
        await store.aput(namespace, body.key, json.to_jsonable(body.value), body.index, ttl=ttl)
    return Response(status_code=204)


@router.get("/items", responses=documented(ITEM))
async def get_item(
    engine: EngineOf,
    caller: CallerOf,
    key: str,
    namespace: Annotated[list[str] | None, Query(description="Labels joined by dots")] = None,
    refresh_ttl: bool | None = None,
) -> Response:
    """`null` when there is none."""
    labels = [label for part in namespace or [] for label in part.split(".") if label]
    if not labels:
        raise BadRequestError("Namespace cannot be empty.")
    async with _asked(engine.graphs.store_of(caller.owner)) as store:
        item = await store.aget(tuple(labels), key, refresh_ttl=refresh_ttl)
    return Json(None if item is None else _item(item))


@router.delete("/items", status_code=204)
async def delete_item(body: ItemKey, engine: EngineOf, caller: CallerOf) -> Response:
    namespace = writable(body.namespace)
    async with _asked(engine.graphs.store_of(caller.owner)) as store:
        await store.adelete(namespace, body.key)
    return Response(status_code=204)


@router.post("/items/search", responses=documented({"items": [{**ITEM, "score": None}]}))
async def search_items(body: ItemSearch, engine: EngineOf, caller: CallerOf) -> Response:
    """Everything under a namespace that the filter lets through; with `query`, the nearest first."""
    async with _asked(engine.graphs.store_of(caller.owner)) as store:
        found = await store.asearch(
            tuple(body.namespace_prefix),
            query=body.query or None,
            filter=body.filter or None,
            limit=body.limit or 10,
            offset=body.offset or 0,
            refresh_ttl=body.refresh_ttl,
        )
    return Json({"items": [{**_item(item), "score": item.score} for item in found]})


@router.post("/namespaces", responses=documented({"namespaces": [["users", "ada"]]}))
async def list_namespaces(body: NamespaceSearch, engine: EngineOf, caller: CallerOf) -> Response:
    """`*` in a prefix or suffix stands for any one label."""
    async with _asked(engine.graphs.store_of(caller.owner)) as store:
        found = await store.alist_namespaces(
            prefix=tuple(body.prefix) if body.prefix else None,
            suffix=tuple(body.suffix) if body.suffix else None,
            max_depth=body.max_depth,
            limit=body.limit or 100,
            offset=body.offset or 0,
        )
    return Json({"namespaces": [list(namespace) for namespace in found]})


@asynccontextmanager
async def _asked(store: BaseStore) -> AsyncIterator[BaseStore]:
    """What a store refuses, as an answer: a filter it does not understand, a TTL or a search it does not offer."""
    try:
        yield store
    except NotImplementedError as error:
        raise UnsupportedError(str(error) or None) from error
    except (ValueError, TypeError) as error:
        raise InvalidError(str(error)) from error
    except OSError as error:  # the disk, or the way to what embeds
        raise (StorageFullError() if error.errno == errno.ENOSPC else UnavailableError(str(error))) from error


def writable(namespace: list[str]) -> tuple[str, ...]:
    """The namespace, if items may stand there."""
    if not namespace:
        raise BadRequestError("Namespace cannot be empty.")
    if any(not label for label in namespace):
        raise BadRequestError("Namespace labels cannot be empty.")
    if namespace[0] == _RESERVED_ROOT:
        raise BadRequestError(f'Root label for namespace cannot be "{_RESERVED_ROOT}".')
    for label in namespace:
        if "." in label:
            raise InvalidError(f"Namespace label {label!r} holds a period; clients join labels with it.")
    return tuple(namespace)


def _item(item: Item | SearchItem) -> dict[str, Any]:
    return {
        "namespace": list(item.namespace),
        "key": item.key,
        "value": item.value,
        "created_at": _moment(item.created_at),
        "updated_at": _moment(item.updated_at),
    }


def _moment(time: datetime) -> str:
    """Some stores leave out that their times are in UTC."""
    return timestamp(time if time.tzinfo is not None else time.replace(tzinfo=UTC))
