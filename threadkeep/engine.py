"""Everything a running server holds, opened and wired in one place and closed in the opposite order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde import _msgpack
from langgraph.store.base import BaseStore

from threadkeep.auth.gate import Gate
from threadkeep.auth.handlers import Handlers
from threadkeep.auth.tokens import Tokens
from threadkeep.clock import Clock, SystemClock, timestamp
from threadkeep.config import Config
from threadkeep.errors import StartupError
from threadkeep.going_on import going_on
from threadkeep.graphs import Graphs, load_target
from threadkeep.masking import Mask, mask_for
from threadkeep.metrics import Metrics
from threadkeep.persistence import OpenSaver, OpenStore, open_saver_of, open_store_of
from threadkeep.runs.accept import Acceptance
from threadkeep.runs.cleanup import Cleanup
from threadkeep.runs.cluster import Cluster
from threadkeep.runs.crons import CronTimer
from threadkeep.runs.execute import Executor
from threadkeep.runs.leases import Leases
from threadkeep.runs.prices import Prices, own_prices
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.quotas import Quotas
from threadkeep.runs.recorder import Recorder
from threadkeep.runs.sweep import Sweep
from threadkeep.runs.values import Values
from threadkeep.runs.webhook_targets import WebhookTargets
from threadkeep.runs.webhooks import WebhookSender
from threadkeep.runs.worker import Worker
from threadkeep.settings import Settings
from threadkeep.storage.api_keys import ApiKeys
from threadkeep.storage.assistants import Assistants
from threadkeep.storage.crons import Crons
from threadkeep.storage.database import Database
from threadkeep.storage.feedback import FeedbackTable
from threadkeep.storage.intents import Intents
from threadkeep.storage.opening import Opened, open_database
from threadkeep.storage.outbox import Outbox
from threadkeep.storage.sqlite import Disk
from threadkeep.storage.threads import Threads
from threadkeep.storage.traces import Traces
from threadkeep.streams.event_log import EventLog
from threadkeep.streams.event_store import EventStore
from threadkeep.sync_nodes import SyncThreads

log = structlog.get_logger("threadkeep")


@dataclass(slots=True)
class Engine:
    settings: Settings
    config: Config
    clock: Clock
    model: str | None
    """What answers, in words, when the graphs know: shown at `/info`."""
    database: Database
    gate: Gate
    threads: Threads
    assistants: Assistants
    queue: RunQueue
    event_log: EventLog
    graphs: Graphs
    saver: BaseCheckpointSaver[Any]
    store: BaseStore
    cleanup: Cleanup
    worker: Worker
    acceptance: Acceptance
    crons: Crons
    cron_timer: CronTimer
    webhooks: WebhookSender
    outbox: Outbox
    sweep: Sweep
    values: Values
    recorder: Recorder
    feedback: FeedbackTable
    intents: Intents
    metrics: Metrics
    mask: Mask
    """Makes keys and passwords unreadable, in what is shown of errors."""
    stopping: asyncio.Event
    """Set when open connections have to be cut."""
    damage: str | None = None
    """What is wrong with the server's file, once that is known."""

    def now(self) -> str:
        return timestamp(self.clock.now())

    async def drain(self) -> None:
        """Stop taking runs, bring those under way to a border, then let go of every open stream."""
        await self.worker.drain(self.settings.drain_seconds)
        self.event_log.abandon_all()
        self.stopping.set()


@asynccontextmanager
async def open_engine(
    settings: Settings,
    config: Config,
    graphs: dict[str, Any],
    *,
    open_saver: OpenSaver,
    open_store: OpenStore,
    model: str | None = None,
    clock: Clock | None = None,
    disk: Disk | None = None,
) -> AsyncIterator[Engine]:
    """Open the data folder, take up what the last process left, and run until the block ends."""
    if not _msgpack.STRICT_MSGPACK_ENABLED:
        raise StartupError("LANGGRAPH_STRICT_MSGPACK must be on: otherwise reading a checkpoint can run code.")
    clock = clock or SystemClock()
    for words in config.warnings:
        log.warning("configuration", problem=words)
    asyncio.get_running_loop().set_default_executor(SyncThreads(settings.max_concurrent_runs))
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_database(settings, disk))
        saver = await open_saver_of(config, settings.data_dir, open_saver, stack)
        store = await open_store_of(config, settings.data_dir, open_store, stack, clock)
        engine = _wired(settings, config, graphs, opened, saver, store, clock, model)
        await _take_up(engine)
        serving = [
            _serving(engine.worker.serve, "worker"),
            _serving(engine.cron_timer.serve, "crons"),
            _serving(engine.webhooks.serve, "webhooks"),
            _serving(engine.sweep.serve, "sweep"),
        ]
        serving += _sharing(engine, opened)
        if opened.left_in_a_hurry:
            serving.append(asyncio.create_task(_look_for_damage(engine), name="quick check"))
        try:
            yield engine
        finally:
            await engine.drain()
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)
            await engine.recorder.close()


def _serving(serve: Callable[[], Coroutine[Any, Any, None]], name: str) -> asyncio.Task[None]:
    return asyncio.create_task(going_on(serve, name), name=name)


def _wired(
    settings: Settings,
    config: Config,
    loaded: dict[str, Any],
    opened: Opened,
    saver: BaseCheckpointSaver[Any],
    store: BaseStore,
    clock: Clock,
    model: str | None,
) -> Engine:
    database = opened.database
    gate = _gate(settings, config, database, clock)
    mask = mask_for(os.environ)
    graphs = Graphs(loaded, config, saver, store, mask=mask, separate_stores=gate.separates_store())
    threads = Threads(database)
    metrics = Metrics()
    if (written := getattr(saver, "written", None)) is not None:
        metrics.watch_checkpoints(written)
    targets = WebhookTargets(config.webhooks, settings.webhook_trusted_hosts)
    outbox = Outbox(database)
    webhooks = WebhookSender(outbox, targets, metrics, clock, settings)
    quotas = _quotas(settings)
    queue = RunQueue(
        database,
        on_end=webhooks.wake,
        quotas=quotas,
        worker_id=None if opened.shared is None else opened.shared.process,
        lease_seconds=settings.lease_seconds,
    )
    values = Values(queue, graphs)
    events = EventStore(database)
    event_log = EventLog(events, values.at, clock, buffer_bytes=settings.stream_buffer_bytes)
    assistants = Assistants(database)
    intents = Intents(database)
    cleanup = Cleanup(intents, saver, events)
    prices = Prices(own_prices(settings.model_prices))
    traces = Traces(database)
    recorder = Recorder(traces, prices, mask, clock, settings)
    executor = Executor(
        queue=queue,
        event_log=event_log,
        graphs=graphs,
        saver=saver,
        cleanup=cleanup,
        metrics=metrics,
        mask=mask,
        prices=prices,
        recorder=recorder,
        clock=clock,
        settings=settings,
    )
    worker = Worker(queue, executor, clock, settings)
    acceptance = Acceptance(
        assistants=assistants,
        queue=queue,
        event_log=event_log,
        worker=worker,
        graphs=graphs,
        saver=saver,
        cleanup=cleanup,
        webhooks=targets,
        clock=clock,
        quotas=quotas,
        thread_ttl=config.checkpointer.ttl.for_new_threads(),
    )
    crons = Crons(database)
    return Engine(
        settings=settings,
        config=config,
        clock=clock,
        model=model,
        database=database,
        gate=gate,
        threads=threads,
        assistants=assistants,
        queue=queue,
        event_log=event_log,
        graphs=graphs,
        saver=saver,
        store=store,
        cleanup=cleanup,
        worker=worker,
        acceptance=acceptance,
        crons=crons,
        cron_timer=CronTimer(crons, acceptance, clock),
        webhooks=webhooks,
        outbox=outbox,
        values=values,
        recorder=recorder,
        feedback=FeedbackTable(database),
        sweep=Sweep(
            threads=threads,
            traces=traces,
            events=event_log.store,
            cleanup=cleanup,
            saver=saver,
            worker=worker,
            clock=clock,
            settings=settings,
            ttl=config.checkpointer.ttl,
        ),
        intents=intents,
        metrics=metrics,
        mask=mask,
        stopping=asyncio.Event(),
    )


def _gate(settings: Settings, config: Config, database: Database, clock: Clock) -> Gate:
    tokens = None
    if settings.jwt_jwks_url:
        tokens = Tokens(jwks_url=settings.jwt_jwks_url, issuer=settings.jwt_issuer, audience=settings.jwt_audience)
    return Gate(
        now=lambda: timestamp(clock.now()),
        keys=ApiKeys(database) if settings.api_keys else None,
        tokens=tokens,
        handlers=None if config.auth is None else Handlers(load_target(config.auth, config.folder, "auth.path")),
    )


def _quotas(settings: Settings) -> Quotas:
    return Quotas(
        active_runs=settings.max_active_runs,
        active_runs_per_user=settings.max_active_runs_per_user,
        tokens_per_day=settings.tokens_per_day,
        tokens_per_day_per_user=settings.tokens_per_day_per_user,
        thread_bytes=settings.max_thread_bytes,
        recursion_limit=settings.max_recursion_limit,
    )


async def _look_for_damage(engine: Engine) -> None:
    """After a crash, in the background: a damaged file makes the server unready and says so, nothing is deleted."""
    problems = await engine.database.quick_check()
    if problems:
        engine.damage = f"{engine.database.name} is damaged ({problems[0]}). Stop the server and restore a backup."
        log.error("database_damaged", problems=problems)


def _sharing(engine: Engine, opened: Opened) -> list[asyncio.Task[None]]:
    """What else a process does that shares its database with others: say that it lives, and hear what they do."""
    if opened.shared is None:
        return []
    leases = Leases(
        opened.database,
        engine.queue,
        engine.worker,
        engine.clock,
        engine.metrics,
        seconds=engine.settings.lease_seconds,
    )
    cluster = Cluster(
        engine.queue,
        engine.worker,
        engine.event_log,
        engine.acceptance.feeds,
        wake_crons=engine.cron_timer.wake,
        wake_webhooks=engine.webhooks.wake,
    )
    return [
        _serving(leases.serve, "leases"),
        _serving(partial(opened.shared.listen, cluster.heard, cluster.missed), "notices"),
    ]


async def _take_up(engine: Engine) -> None:
    """What must be true before the first request: intents carried out, running runs offered again."""
    await engine.assistants.install_system(engine.graphs.descriptions, now=engine.now())
    left_over = await engine.cleanup.finish_all()
    rescued = await engine.queue.rescue(now=engine.now())
    engine.metrics.runs_rescued(rescued)
    depth = await engine.queue.depth()
    log.info(
        "data_folder_opened",
        folder=engine.database.name if engine.settings.database_uri else str(engine.settings.data_dir),
        rescued_runs=rescued,
        waiting_runs=depth.pending - rescued,
        finished_intents=left_over,
    )
