"""Threadkeep's thin HTTP layer: it selects the graph for each thread, and plugs the parts together.

`python server.py` serves the graphs that `langgraph.json` names, over the Agent Server API (in `threadkeep/`) and the
few plain routes below. The graphs are in `graphs/`, their steps in `nodes/`, the threads' state in `checkpoints/`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

# LangGraph reads this when it is imported: without it, reading a checkpoint may run code that somebody put there.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

if find_spec("fastapi") is None:
    sys.exit("threadkeep: this Python has no fastapi. `make run` makes one that has: .venv/bin/python server.py ...")

from dotenv import load_dotenv
from fastapi import FastAPI, Header
from langgraph.store.base import BaseStore
from starlette.responses import PlainTextResponse, Response

from checkpoints import import_stock, open_checkpointer, open_store, reindex
from nodes.model_check import check_model
from nodes.models import ModelNotConfiguredError, ModelUnavailableError, describe_model
from nodes.tools.user_memory import ALL_KINDS, everything_of, forget_all, namespace, switch
from threadkeep import commands
from threadkeep.api.app import create_api
from threadkeep.api.chat import ChatRequest, ResetRequest, check_graph, new_thread, require_graph, take_turn, thread_of
from threadkeep.api.examples import ERASED, MEMORY, READY, RESET, USER_THREAD, documented, documented_chat, shown
from threadkeep.api.meta import MetricsFormat, metrics_response, not_ready_because
from threadkeep.api.mounting import drop_disabled
from threadkeep.api.requests import CallerOf, EngineOf
from threadkeep.api.responses import Json
from threadkeep.api.schemas import Body, example
from threadkeep.api.users import allowed, erase_user, person, person_named
from threadkeep.banner import banner
from threadkeep.callers import Caller
from threadkeep.config import Config, load_config
from threadkeep.doctor import Finding, Parts
from threadkeep.engine import Engine, open_engine
from threadkeep.errors import StartupError, UnavailableError
from threadkeep.graphs import enter_project, load_graphs
from threadkeep.persistence import index_of
from threadkeep.serve import log_as_set, parse_arguments, serve, settings_from
from threadkeep.settings import Settings, read_settings
from threadkeep.storage.thread_rows import Thread
from threadkeep.storage.threads import ThreadQuery
from threadkeep.tracing import start_tracing

if TYPE_CHECKING:
    from checkpoints.postgres import PostgresState

HERE = Path(__file__).resolve().parent
DEFAULT_GRAPH = "react"


def create_app(settings: Settings) -> FastAPI:
    """The whole server as one ASGI application; raises `StartupError` when it could not serve like this."""
    config = load_config(settings.config_path)
    settings.require_privacy(project_has_auth=config.auth is not None)
    config.apply_environment()
    shared = shared_state(settings.database_uri)  # first: the project may have a module of the name `checkpoints`
    enter_project(config.folder, config.dependencies, own_folder=HERE)
    tracing = start_tracing(os.environ)
    model = described_model(config)
    graphs = load_graphs(config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened = open_engine(
            settings,
            config,
            graphs,
            open_saver=open_checkpointer if shared is None else shared.open_checkpointer,
            open_store=open_store if shared is None else shared.open_store,
            model=model,
        )
        try:
            async with opened as app.state.engine:
                yield
        finally:
            await tracing.stop()

    app = create_api(settings, config, lifespan)
    add_routes(app)
    add_people_routes(app)
    drop_disabled(app, config.http.disabled)
    return app


def shared_state(uri: str) -> PostgresState | None:
    """The database that threads' states and store items go to; None when they go to the data folder."""
    if not uri:
        return None
    from checkpoints.postgres import PostgresState  # noqa: PLC0415 - a data folder needs no driver
    from threadkeep.storage.postgres_schema import HELD_RUN  # noqa: PLC0415

    return PostgresState(uri, unavailable=UnavailableError, held=HELD_RUN)


def described_model(config: Config) -> str | None:
    """Which model answers, for people to see; other projects' graphs have their own ways."""
    if config.folder != HERE:
        return None
    try:
        return describe_model()
    except (ModelNotConfiguredError, ModelUnavailableError) as error:
        raise StartupError(str(error)) from None


async def select_thread(engine: Engine, chat: ChatRequest, caller: Caller, key: str | None) -> tuple[Thread, str]:
    """The thread a message goes to, and with it the graph: a thread keeps the graph it was made with."""
    if key is not None and (run := await engine.queue.by_key(key, caller)) is not None:
        return await engine.threads.get(run.thread_id, caller), run.graph_id
    asked = require_graph(engine, chat.graph) if chat.graph else None
    default = DEFAULT_GRAPH if DEFAULT_GRAPH in engine.graphs.ids else engine.graphs.ids[0]
    if chat.thread_id is not None:
        caller, _ = await allowed(engine, caller, "create_run", thread_id=chat.thread_id)
        thread = await thread_of(engine, chat.thread_id, chat.user_id, caller)
        check_graph(thread, asked)
        return thread, thread.graph_id or asked or default
    graph_id = asked or default
    thread = await new_thread(engine, caller, graph_id=graph_id, user_id=chat.user_id)
    if chat.user_id is None:
        return await engine.threads.create(thread, keep_existing=False), graph_id
    current = await engine.threads.make_current(thread, replace=False)
    return await engine.threads.get(current, caller), graph_id


class MemorySwitch(Body):
    """Whether a user's long-term memory is read and written."""

    on: bool

    model_config = example({"on": False})


def add_routes(app: FastAPI) -> None:
    @app.post("/chat", tags=["Chat"], responses=documented_chat())
    async def chat(
        body: ChatRequest,
        engine: EngineOf,
        caller: CallerOf,
        accept: Annotated[str, Header(include_in_schema=False)] = "",
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
    ) -> Response:
        """One turn: the message goes to the user's current thread, the named one, or a new one."""
        caller, user_id = person(caller, body.user_id)
        body = body.model_copy(update={"user_id": user_id})
        # A key is its user's own: the same one from somebody else is another.
        key = None if idempotency_key is None else f"chat {body.user_id or ''} {idempotency_key}"
        thread, graph_id = await select_thread(engine, body, caller, key)
        stream = body.stream or "text/event-stream" in accept
        return await take_turn(engine, body, thread, graph_id, caller, key=key, stream=stream)

    @app.post("/reset", tags=["Chat"], responses=documented(RESET))
    async def reset(body: ResetRequest, engine: EngineOf, caller: CallerOf) -> Response:
        """Start over: a new current thread for this user and graph; the old one stays in the history."""
        default = DEFAULT_GRAPH if DEFAULT_GRAPH in engine.graphs.ids else engine.graphs.ids[0]
        graph_id = require_graph(engine, body.graph) if body.graph else default
        caller, user_id = person(caller, body.user_id)
        thread = await new_thread(engine, caller, graph_id=graph_id, user_id=user_id)
        if user_id is None:
            await engine.threads.create(thread, keep_existing=False)
        else:
            await engine.threads.make_current(thread, replace=True)
        return Json({"thread_id": thread.thread_id, "user_id": user_id, "graph": graph_id})

    @app.get("/health", tags=["System"], responses={200: shown({"status": "alive"})})
    async def health() -> Response:
        return Json({"status": "alive"})

    @app.get("/ready", tags=["System"], responses=READY)
    async def ready(engine: EngineOf) -> Response:
        reasons = await not_ready_because(engine)
        return Json({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    @app.get("/metrics", tags=["System"], response_class=PlainTextResponse)
    async def metrics(engine: EngineOf, fmt: MetricsFormat = None) -> Response:
        return await metrics_response(engine, fmt)


def add_people_routes(app: FastAPI) -> None:
    @app.get("/users/{user_id}/threads", tags=["Chat"], responses=documented([USER_THREAD]))
    async def user_threads(
        user_id: str, engine: EngineOf, caller: CallerOf, limit: int = 50, offset: int = 0
    ) -> Response:
        caller, _ = await allowed(engine, person_named(caller, user_id), "search")
        query = ThreadQuery(user_id=user_id, limit=min(max(limit, 1), 1000), offset=max(offset, 0))
        found = await engine.threads.search(query, caller)
        return Json([summary_of(thread) for thread in found])

    @app.get("/users/{user_id}/memory", tags=["Chat"], responses=documented(MEMORY))
    async def user_memory(user_id: str, engine: EngineOf, caller: CallerOf) -> Response:
        """What the graphs remember of a user: preferences and notes, and whether memory is on."""
        return Json(await everything_of(await memory_store(engine, caller, user_id, "search"), user_id))

    @app.put("/users/{user_id}/memory", tags=["Chat"], responses=documented({"on": False}))
    async def switch_memory(user_id: str, body: MemorySwitch, engine: EngineOf, caller: CallerOf) -> Response:
        """Switch a user's memory on or off; what is stored stays until it is forgotten."""
        await switch(await memory_store(engine, caller, user_id, "put"), user_id, body.on)
        return Json({"on": body.on})

    @app.delete("/users/{user_id}/memory", tags=["Chat"], responses=documented({"forgotten": 3}))
    async def forget(user_id: str, engine: EngineOf, caller: CallerOf) -> Response:
        """Forget a user's preferences and notes; the store's routes forget one of them."""
        return Json({"forgotten": await forget_all(await memory_store(engine, caller, user_id, "delete"), user_id)})

    @app.delete("/users/{user_id}", tags=["Chat"], responses=documented(ERASED))
    async def erase(user_id: str, engine: EngineOf, caller: CallerOf) -> Response:
        """Everything of a user goes: threads with runs and events, crons, assistants, and what is remembered."""
        caller, _ = await allowed(engine, person_named(caller, user_id), "delete")
        erased = await erase_user(engine, user_id, caller, [namespace(user_id, kind) for kind in ALL_KINDS])
        note = "Backups made before this, and a server.db.before-* in the data folder, still hold what was erased."
        return Json({"user_id": user_id, "erased": erased, "note": note})


async def memory_store(engine: Engine, caller: Caller, user_id: str, action: str) -> BaseStore:
    """The store as the user's own runs see it, if the caller may do this to what is remembered there."""
    where = {"namespace": list(namespace(user_id, "preferences")[:2])}
    caller = await engine.gate.allow(person_named(caller, user_id), "store", action, where)
    return engine.graphs.store_of(caller.owner)


def summary_of(thread: Thread) -> dict[str, object]:
    return {
        "thread_id": thread.thread_id,
        "graph": thread.graph_id,
        "status": thread.status,
        "last_message": thread.preview,
        "created_at": thread.created_at,
        "updated_at": thread.updated_at,
    }


def reloaded_app() -> FastAPI:
    """What `--reload` starts in each new process, from the environment its parent prepared."""
    settings = read_settings()
    log_as_set(settings)
    try:
        return create_app(settings)
    except StartupError as error:  # the next change of a source file may mend it
        sys.exit(f"threadkeep: {error}")


async def reindex_items(folder: Path, tell: commands.Tell) -> int:
    """Embed the store's items as this start's `langgraph.json` says."""
    config = load_config(read_settings().config_path)
    config.apply_environment()
    shared = shared_state(read_settings().database_uri)
    enter_project(config.folder, config.dependencies, own_folder=HERE)
    index = index_of(config)
    if index is None:
        raise StartupError("langgraph.json has no store.index, so there is nothing to embed with.")
    return await (reindex(folder, index, tell=tell) if shared is None else shared.reindex(index, tell=tell))


async def move_state(uri: str, folder: Path, copy: bool, tell: commands.Tell) -> tuple[str, list[str]]:
    """Take a data folder's checkpoints and store items to a database, or only compare them; see `moving.py`."""
    from checkpoints.postgres import move_items, move_threads  # noqa: PLC0415 - a data folder needs no driver

    moved = await move_threads(uri, folder / "checkpoints.db", tell, copy=copy)
    items, other_items = await move_items(uri, folder / "items.db", copy=copy)
    words = (
        f"checkpoints: {moved.checkpoints} of {moved.threads} threads moved, {moved.there_already} threads were there, "
        f"{'NOT ' if moved.different else ''}all the same there; "
        f"{items} store items, {'NOT ' if other_items else ''}the same there"
    )
    return words, [*moved.different, *other_items]


def project_graphs(config: Config) -> dict[str, Any]:
    enter_project(config.folder, config.dependencies, own_folder=HERE)
    return load_graphs(config)


def model_findings(config: Config, seconds: float) -> list[Finding]:
    """For `doctor`: whether the shipped graphs' model answers; other projects' graphs have their own ways."""
    if config.folder != HERE:
        return []
    return [Finding(one.what, one.says, one.remedy) for one in asyncio.run(check_model(seconds))]


def main() -> None:
    load_dotenv(Path(".env"))
    if sys.argv[1:2] and sys.argv[1] in commands.NAMES:
        parts = Parts(load_graphs=project_graphs, check_model=model_findings)
        done = commands.run_command(
            sys.argv[1:],
            import_stock=import_stock,
            open_saver=open_checkpointer,
            reindex=reindex_items,
            move_state=move_state,
            parts=parts,
        )
        sys.exit(done)
    parsed = parse_arguments(commands=commands.NAMES)
    try:
        settings = settings_from(parsed)
        config = load_config(settings.config_path)
        settings.require_privacy(project_has_auth=config.auth is not None)
        config.apply_environment()
        words = banner(settings, config, described_model(config))
        if parsed.reload:
            serve(settings, "server:reloaded_app", banner=words, reload_folders=[HERE, config.folder])
        else:
            serve(settings, create_app(settings), banner=words)
    except StartupError as error:
        sys.exit(f"threadkeep: {error}")


if __name__ == "__main__":
    main()
