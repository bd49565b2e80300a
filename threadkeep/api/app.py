"""The Agent Server API as one FastAPI application: routers, error handlers, middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from threadkeep import __version__
from threadkeep.api import (
    assistants,
    crons,
    docs_page,
    inspector,
    mcp,
    meta,
    openai,
    runs,
    states,
    store,
    thread_commands,
    thread_events,
    thread_socket,
    thread_stream,
    threads,
    traces,
)
from threadkeep.api.actions import is_open
from threadkeep.api.admission import Admission
from threadkeep.api.auth import AuthGate
from threadkeep.api.bodies import JsonBodies
from threadkeep.api.custom_app import CustomApp, is_custom, load_custom_app
from threadkeep.api.door import Door
from threadkeep.api.errors import install_error_handlers
from threadkeep.api.mounting import MountPrefix
from threadkeep.api.origin import add_cors, origin_policy
from threadkeep.api.request_log import RequestLog
from threadkeep.api.routing import Route, add_resources
from threadkeep.config import Config
from threadkeep.settings import Settings

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


def create_api(settings: Settings, config: Config, lifespan: Lifespan) -> FastAPI:
    """The application; `lifespan` puts the open engine at `app.state.engine`.

    What `http.disable_*` names is taken out by `drop_disabled`, once all routes are there.
    """
    custom = load_custom_app(config)
    custom_state: dict[str, Any] = {}

    @asynccontextmanager
    async def whole_lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(lifespan(app))
            app.state.engine.webhooks.own_app = app
            if custom is not None:
                opened: Any = custom.router.lifespan_context(custom)
                custom_state.update(await stack.enter_async_context(opened) or {})
            yield

    app = FastAPI(
        title="Threadkeep",
        version=__version__,
        summary="A LangGraph agent server: the Agent Server API, and /chat.",
        lifespan=whole_lifespan,
        docs_url=None,  # ours; FastAPI's loads its scripts from elsewhere
        redoc_url=None,
        telemetry={"metrics": False, "logs": False, "operation_spans": False, "auto_configure": False},
    )
    app.router.route_class = Route
    # Routes are tried in this order; what is asked for most comes first, and `/runs/crons` before `/runs/{run_id}`.
    resources = (
        threads,
        crons,
        runs,
        meta,
        assistants,
        states,
        thread_stream,
        thread_commands,
        thread_events,
        thread_socket,
        traces,
        store,
        openai,
        mcp,
        inspector,
        docs_page,
    )
    add_resources(app, [resource.router for resource in resources])
    install_error_handlers(app)
    # The last one added is the outermost.
    policy = origin_policy(settings, config.cors)
    _add_gate(app, settings, config, custom, custom_state)
    if config.http.mount_prefix:
        app.add_middleware(MountPrefix, prefix=config.http.mount_prefix)
    log = RequestLog(config.http.logging_headers)
    app.add_middleware(Door, policy=policy, log=log, max_bytes=settings.max_body_bytes)
    add_cors(app, policy, config.cors)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    return app


def _add_gate(
    app: FastAPI, settings: Settings, config: Config, custom: Starlette | None, state: dict[str, Any]
) -> None:
    """Who asks is found out inside the custom application's middleware, or with `auth_first` before it."""
    asked = config.http.custom_route_auth
    app.add_middleware(JsonBodies)
    admission = Admission(settings)
    if custom is None:
        app.add_middleware(AuthGate, admission=admission)
    elif config.http.auth_first:
        app.add_middleware(CustomApp, custom=custom, state=state, guard=None)
        app.add_middleware(
            AuthGate,
            admission=admission,
            unasked=lambda scope: is_open(scope) or (not asked and is_custom(custom, scope)),
        )
    else:
        app.add_middleware(AuthGate, admission=admission)
        guard = partial(AuthGate, admission=admission) if asked else None
        app.add_middleware(CustomApp, custom=custom, state=state, guard=guard)
