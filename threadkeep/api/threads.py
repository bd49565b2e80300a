"""Threads: made, found, counted, changed, copied, pruned, removed. Their state is `states.py`'s."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from threadkeep.api.examples import THREAD, USED, documented
from threadkeep.api.removal import remove_thread
from threadkeep.api.requests import CallerOf, EngineOf, page_headers, uuid_of
from threadkeep.api.responses import Json, json_list
from threadkeep.api.routing import Route
from threadkeep.api.schemas import ThreadCreate, ThreadFilter, ThreadPatch, ThreadPrune, ThreadSearch
from threadkeep.api.states import state_known, state_now
from threadkeep.api.supersteps import create_with_state
from threadkeep.api.thread_bytes import thread_bytes
from threadkeep.api.thread_search import count_threads, search_threads
from threadkeep.api.wire import thread_wire
from threadkeep.callers import Caller
from threadkeep.clock import new_uuid7
from threadkeep.engine import Engine
from threadkeep.errors import GraphFactoryError, NotFoundError
from threadkeep.runs.attempt import opening_of
from threadkeep.runs.savers import flush
from threadkeep.storage.intents import Intent
from threadkeep.storage.thread_rows import Thread, born_with, expiry
from threadkeep.storage.thread_texts import keep_conversation
from threadkeep.storage.thread_usage import thread_usage

router = APIRouter(prefix="/threads", tags=["Threads"], route_class=Route)


@router.post("", responses=documented(THREAD))
async def create_thread(body: ThreadCreate, engine: EngineOf, caller: CallerOf) -> Response:
    moment = engine.clock.now()
    asked = engine.acceptance.thread_ttl if body.ttl is None else body.ttl.model_dump()
    graph_id = body.metadata.get("graph_id")
    thread = Thread(
        str(new_uuid7(moment)) if body.thread_id is None else uuid_of("thread", body.thread_id),
        engine.now(),
        owner=caller.identity,
        metadata=body.metadata,
        graph_id=graph_id if isinstance(graph_id, str) and graph_id in engine.graphs.ids else None,
        ttl=asked,
        expires_at=expiry(asked, moment),
    )
    keep = body.if_exists == "do_nothing"
    if body.supersteps:
        made = await create_with_state(engine, thread, body.supersteps, keep_existing=keep)
    else:
        made = await engine.threads.create(thread, keep_existing=keep)
    return Json(thread_wire(made, None if made is thread else (await state_known(engine, made)).values))


@router.post("/search", responses=documented([THREAD]))
async def search(body: ThreadSearch, engine: EngineOf, caller: CallerOf) -> Response:
    rows, total = await search_threads(engine, body, caller)
    return await json_list(rows, page_headers(total=total, offset=body.offset, returned=len(rows)))


@router.post("/count", responses=documented(3))
async def count(body: ThreadFilter, engine: EngineOf, caller: CallerOf) -> Response:
    return Json(await count_threads(engine, body, caller))


@router.post("/prune", responses=documented({"pruned_count": 1}))
async def prune_threads(body: ThreadPrune, engine: EngineOf, caller: CallerOf) -> Response:
    """`delete` removes the threads, `keep_latest` their past. Unknown ids and the pasts of busy threads are skipped."""
    if body.strategy == "keep_latest":
        engine.cleanup.require("aprune")
    pruned = 0
    for thread_id in dict.fromkeys(uuid_of("thread", one) for one in body.thread_ids):
        try:
            thread = await engine.threads.get(thread_id, caller)
        except NotFoundError:
            continue
        if body.strategy == "delete":
            await remove_thread(engine, thread, caller)
        elif not await _forget_past(engine, thread_id, caller):
            continue
        pruned += 1
    return Json({"pruned_count": pruned})


@router.get("/{thread_id}", responses=documented({**THREAD, "usage": USED}))
async def get_thread(
    thread_id: str,
    engine: EngineOf,
    caller: CallerOf,
    include: Annotated[list[str] | None, Query(description="ttl: also show when the thread expires")] = None,
) -> Response:
    thread = await engine.threads.get(uuid_of("thread", thread_id), caller)
    wanted = {name.strip() for entry in include or [] for name in entry.split(",")}
    used = await thread_usage(engine.database, thread)
    state = await state_now(engine, thread, thread.thread_id)
    row = {**thread_wire(thread, state.values), "usage": used}
    return Json({**row, "ttl": _ttl(thread)} if "ttl" in wanted else row)


@router.patch("/{thread_id}", responses=documented(THREAD))
async def patch_thread(
    thread_id: str,
    body: ThreadPatch,
    engine: EngineOf,
    caller: CallerOf,
    prefer: Annotated[str | None, Header(description="return=minimal answers 204")] = None,
) -> Response:
    """Merges `metadata`; sets `ttl` anew if given."""
    asked = engine.acceptance.thread_ttl if body.ttl is None else body.ttl.model_dump()
    thread = await engine.threads.patch(
        uuid_of("thread", thread_id),
        caller,
        now=engine.now(),
        metadata=body.metadata,
        ttl=None if asked is None else (asked, expiry(asked, engine.clock.now())),
    )
    if prefer is not None and "return=minimal" in prefer.replace(" ", ""):
        return Response(status_code=204)
    return Json(thread_wire(thread, (await state_known(engine, thread)).values))


@router.delete("/{thread_id}", status_code=204)
async def delete_thread(thread_id: str, engine: EngineOf, caller: CallerOf) -> Response:
    """Its runs are stopped first; its checkpoints, runs and events go with it."""
    await remove_thread(engine, await engine.threads.get(uuid_of("thread", thread_id), caller), caller)
    return Response(status_code=204)


@router.post("/{thread_id}/copy", responses=documented(THREAD))
async def copy_thread(thread_id: str, engine: EngineOf, caller: CallerOf) -> Response:
    """A thread of its own with the same checkpoints, metadata and values; runs are not copied."""
    engine.cleanup.require("acopy_thread")
    source = await engine.threads.get(uuid_of("thread", thread_id), caller)
    copy_id = str(new_uuid7(engine.clock.now()))
    # Until the copy's row is stored, whatever a crash leaves of it in the checkpointer is to be removed.
    undo = await engine.intents.add(Intent("delete_thread", copy_id))
    await engine.saver.acopy_thread(source.thread_id, copy_id)
    await flush(engine.saver)
    try:
        state = await state_now(engine, source, copy_id)
    except GraphFactoryError:
        await engine.cleanup.finish_thread(copy_id)
        raise
    copied = Thread(
        copy_id,
        engine.now(),
        owner=caller.identity,
        user_id=source.user_id,
        graph_id=source.graph_id,
        status="interrupted" if state.next else "error" if source.status == "error" else "idle",
        metadata=source.metadata,
        config=source.config,
        interrupts=state.interrupts,
        error=source.error if source.status == "error" else None,
        preview=source.preview,
    )
    copied = born_with(copied, engine.acceptance.thread_ttl, engine.clock.now())
    await engine.threads.create_instead(copied, undo)
    await keep_conversation(engine.database, copy_id, opening_of(state.values), None)
    return Json(thread_wire(copied, state.values))


@router.get("/{thread_id}/storage")
async def get_storage(thread_id: str, engine: EngineOf, caller: CallerOf) -> Response:
    """Bytes that the thread's state takes in the checkpointer, by kind and by channel."""
    thread = await engine.threads.get(uuid_of("thread", thread_id), caller)
    return Json(await thread_bytes(engine.saver, thread.thread_id))


async def _forget_past(engine: Engine, thread_id: str, caller: Caller) -> bool:
    """False, and nothing is done, when a run is on the thread."""
    async with engine.worker.keep_off(thread_id):
        if (await engine.threads.get(thread_id, caller)).status == "busy":
            return False
        await engine.saver.aprune([thread_id], strategy="keep_latest")
        return True


def _ttl(thread: Thread) -> dict[str, Any] | None:
    if thread.ttl is None:
        return None
    return {**thread.ttl, "ttl_minutes": thread.ttl["ttl"], "expires_at": thread.expires_at}
