"""How a run is accepted: what a client asked, checked against its assistant, graph and thread, stored, and started.

The one way in, for every route and for `/chat`. Nothing is answered before the run is durable; whatever is wrong with
the request is said before anything is stored.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.constants import END

from threadkeep.callers import Caller
from threadkeep.clock import Clock, new_uuid7, timestamp
from threadkeep.errors import BadRequestError, ConflictError, InvalidError, NotFoundError, UnavailableError
from threadkeep.graphs import Graph, Graphs, context_for, saver_of
from threadkeep.runs.cleanup import Cleanup
from threadkeep.runs.configuration import run_config
from threadkeep.runs.drift import require_pending_nodes
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.quotas import Quotas
from threadkeep.runs.run import CancelAction, Durability, MultitaskStrategy, Run, RunKwargs
from threadkeep.runs.webhook_targets import WebhookTargets
from threadkeep.runs.worker import Worker
from threadkeep.storage.assistants import Assistant, Assistants, system_assistant_id
from threadkeep.storage.connection import Connection
from threadkeep.storage.thread_rows import Thread, born_with
from threadkeep.streams.event_log import EventLog
from threadkeep.streams.feeds import ThreadFeeds
from threadkeep.streams.live import Event, RunStream
from threadkeep.tracing import traceparent

log = structlog.get_logger("threadkeep.runs")

_SERVERS_OWN = "langgraph_auth_"  # only the gate says who asks
_CHECKPOINT_KEYS = ("checkpoint_id", "checkpoint_ns", "checkpoint_map")


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a client asks for; the field names are the Agent Server API's."""

    assistant_id: str
    input: Any = None
    command: dict[str, Any] | None = None
    checkpoint: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] | None = None
    stream_mode: list[str] = field(default_factory=lambda: ["values"])
    stream_subgraphs: bool = False
    stream_resumable: bool = False
    interrupt_before: list[str] | Literal["*"] | None = None
    interrupt_after: list[str] | Literal["*"] | None = None
    durability: Durability | None = None
    webhook: str | None = None
    feedback_keys: list[str] | None = None
    multitask_strategy: MultitaskStrategy = "enqueue"
    if_not_exists: Literal["create", "reject"] = "reject"
    after_seconds: float = 0.0
    on_disconnect: Literal["cancel", "continue"] = "continue"
    on_completion: Literal["delete", "keep"] = "delete"
    idempotency_key: str | None = None
    user_id: str | None = None
    cron_id: str | None = None
    """The cron that asks; nodes find it in `configurable`."""


@dataclass(frozen=True, slots=True)
class AcceptedRun:
    run: Run
    stream: RunStream | None
    """The live stream; none when an idempotency key gave a run that has already ended."""
    events: AsyncGenerator[list[Event], None] | None = None
    """The run's events from its first, when they were asked for."""


class Acceptance:
    def __init__(
        self,
        *,
        assistants: Assistants,
        queue: RunQueue,
        event_log: EventLog,
        worker: Worker,
        graphs: Graphs,
        saver: BaseCheckpointSaver[Any],
        cleanup: Cleanup,
        webhooks: WebhookTargets,
        clock: Clock,
        quotas: Quotas,
        thread_ttl: dict[str, Any] | None = None,
    ) -> None:
        self._assistants = assistants
        self._queue = queue
        self._log = event_log
        self._worker = worker
        self._graphs = graphs
        self._saver = saver
        self._cleanup = cleanup
        self._webhooks = webhooks
        self._clock = clock
        self._quotas = quotas
        self.thread_ttl = thread_ttl
        """The time to live of threads that are made without one of their own."""
        self.feeds = ThreadFeeds()

    async def accept(
        self,
        request: RunRequest,
        caller: Caller,
        *,
        thread_id: str | None,
        listen: bool = False,
        told: bool = True,
        together_with: Callable[[Connection], None] | None = None,
    ) -> AcceptedRun:
        """Check, store and start a run. `thread_id` None makes a thread for this run alone.

        With `listen`, its events are kept from the first one on for the reader given back. Whoever asks not to be
        `told` says nothing of the run before it has ended (then it is safe from a power cut) or the queue's `sync` is
        done. `together_with` is stored in the same transaction or, when it raises an error of ours, nothing is. Raises
        `NotFoundError`, `InvalidError`, `ConflictError` or `UnavailableError`; then nothing was stored.
        """
        if self._worker.draining:
            raise UnavailableError("The server is stopping; try again in a moment.")
        if request.multitask_strategy == "rollback":
            self._cleanup.require("adelete_for_runs")
        assistant = await self.assistant(request.assistant_id, caller)
        run, new_thread = self._run(request, assistant, caller, thread_id)
        await self._check(request, run)
        stream = self._log.open_new(run.run_id, resumable=request.stream_resumable)
        events = self._log.subscribe(stream, 0) if listen else None
        try:
            with self.feeds.coming(run.thread_id, stream):
                accepted = await self._queue.enqueue(
                    run,
                    caller,
                    new_thread=new_thread,
                    durable=False,
                    together_with=together_with,
                    starter=self._worker,
                )
        except BaseException:
            if not self._worker.carries(run.run_id):  # else only the asker has gone
                self._log.close(stream, None)
            raise
        if not accepted.is_new:
            self._log.close(stream, None)
            await self._queue.sync()
            return await self._again(accepted.run, listen)
        self._log.stored(stream)
        for run_id in accepted.to_stop:
            self._worker.stop_run(run_id)
        # It may start while the disk takes it in; nobody is told before that is done.
        if accepted.started is None:
            self._worker.wake()
        if told:
            await self._queue.sync()
        log.info("run_accepted", run_id=run.run_id, thread_id=run.thread_id, graph_id=run.graph_id, user_id=run.user_id)
        return AcceptedRun(run, stream, events)

    async def _again(self, run: Run, listen: bool) -> AcceptedRun:
        stream = self._log.live(run.run_id)
        if stream is None and run.active:
            stream = await self._log.open(run.run_id, resumable=run.kwargs.stream_resumable)
        return AcceptedRun(run, stream, self._log.subscribe(stream, 0) if stream and listen else None)

    async def check_later_run(self, request: RunRequest, caller: Caller) -> Assistant:
        """The assistant of a run that is to be accepted another day; raises what would then be wrong with it anyway."""
        if request.multitask_strategy == "rollback":
            self._cleanup.require("adelete_for_runs")
        assistant = await self.assistant(request.assistant_id, caller)
        run, _ = self._run(request, assistant, caller, None)
        self._quotas.check_recursion(run.kwargs.config.get("recursion_limit"))
        await self._check_graph(request, run, on_thread=False)
        return assistant

    async def assistant(self, name: str, caller: Caller) -> Assistant:
        """By id, or by the name of a graph; its graph is served."""
        assistant_id = _uuid_or_none(name) or UUID(system_assistant_id(name))
        try:
            assistant = await self._assistants.get(str(assistant_id), caller)
        except NotFoundError:
            if _uuid_or_none(name) is None:
                self._graphs.require(name)
            raise
        if assistant.graph_id not in self._graphs.ids:
            raise ConflictError(
                f"The graph {assistant.graph_id!r} of this assistant is no longer served; langgraph.json names "
                f"{', '.join(self._graphs.ids)}. Put it back to go on with its threads; they can be read meanwhile."
            )
        return assistant

    async def cancel(self, run: Run, action: CancelAction, *, reason: str | None = None) -> bool:
        """Stop an active run, durably decided first. False when it had already ended."""
        if action == "rollback":
            self._cleanup.require("adelete_for_runs")
        found = await self._queue.request_cancel(
            run, action, reason=reason or f"{action} requested", now=timestamp(self._clock.now())
        )
        if found is None:
            return False
        if found == "pending" and (stream := self._log.live(run.run_id)) is not None:
            self._log.close(
                stream, self._log.ending(stream, {"run_id": run.run_id, "status": "interrupted"}, attempt=0)
            )
        self._worker.stop_run(run.run_id)
        self._worker.wake()
        return True

    def _run(
        self, request: RunRequest, assistant: Assistant, caller: Caller, thread_id: str | None
    ) -> tuple[Run, Thread | None]:
        moment = self._clock.now()
        now = timestamp(moment)
        config = _merged_config(assistant, request, caller)
        context = _merged_context(assistant, request)
        run = Run(
            run_id=str(new_uuid7(moment)),
            thread_id=thread_id or str(new_uuid7(moment)),
            assistant_id=assistant.assistant_id,
            graph_id=assistant.graph_id,
            owner=caller.identity,
            user_id=request.user_id or caller.identity,
            multitask_strategy=request.multitask_strategy,
            metadata={
                **request.metadata,
                "created_by": "system",
                "graph_id": assistant.graph_id,
                "assistant_id": assistant.assistant_id,
            },
            kwargs=RunKwargs(
                input=request.input,
                command=request.command,
                config=config,
                context=context or None,
                stream_mode=request.stream_mode,
                stream_subgraphs=request.stream_subgraphs,
                stream_resumable=request.stream_resumable,
                interrupt_before=request.interrupt_before,
                interrupt_after=request.interrupt_after,
                durability=request.durability,
                webhook=self._webhooks.accepted(request.webhook),
                feedback_keys=request.feedback_keys,
                on_disconnect=request.on_disconnect,
                user=None if caller.user is None else dict(caller.user),
                traceparent=traceparent(),
                request_id=structlog.contextvars.get_contextvars().get("request_id"),
                home=self._queue.worker_id,
                temporary=thread_id is None and request.on_completion == "delete",
            ),
            idempotency_key=request.idempotency_key,
            due_at=timestamp(moment + timedelta(seconds=request.after_seconds)),
            created_at=now,
        )
        if thread_id is not None and request.if_not_exists == "reject":
            return run, None
        thread = Thread(
            run.thread_id, now, owner=caller.identity, user_id=run.user_id, graph_id=run.graph_id, updated_at=now
        )
        lives = None if run.kwargs.temporary else self.thread_ttl
        return run, replace(born_with(thread, lives, moment), status="busy")

    async def _check(self, request: RunRequest, run: Run) -> None:
        """Whatever would make the run fail before its first node is refused here."""
        if request.after_seconds < 0:
            raise InvalidError("after_seconds must not be negative.")
        self._quotas.check_recursion(run.kwargs.config.get("recursion_limit"))
        if self._quotas.thread_bytes and (stored := getattr(self._saver, "athread_bytes", None)) is not None:
            self._quotas.check_thread(sum((await stored(run.thread_id)).values()))
        await self._check_graph(request, run, on_thread=True)

    async def _check_graph(self, request: RunRequest, run: Run, *, on_thread: bool) -> None:
        """Of a graph that a factory makes only what has to be known: it is made for it."""
        names_nodes = request.interrupt_before or request.interrupt_after or request.command
        starts_at = on_thread and run.kwargs.config.get("configurable", {}).get("checkpoint_id") is not None
        goes_on = on_thread and (request.command is not None or request.input is None)
        if not (names_nodes or starts_at or goes_on) and self._graphs.made_for_each_use(run.graph_id):
            return
        async with self._graphs.bound(run.graph_id, run_config(run)) as graph:
            _check_nodes(graph, "interrupt_before", request.interrupt_before)
            _check_nodes(graph, "interrupt_after", request.interrupt_after)
            _check_nodes(graph, "command.goto", _targets((request.command or {}).get("goto")))
            context_for(graph, run.kwargs.context, run.kwargs.config.get("configurable", {}))
            if starts_at:
                await _check_checkpoint(graph, run)
            if goes_on:
                await _check_continuation(graph, run)


async def _check_checkpoint(graph: Graph, run: Run) -> None:
    wanted = {key: run.kwargs.config["configurable"].get(key) for key in _CHECKPOINT_KEYS[:2]}
    wanted = {"thread_id": run.thread_id, **wanted, "checkpoint_ns": wanted["checkpoint_ns"] or ""}
    found = await saver_of(graph).aget_tuple({"configurable": wanted})
    if found is None or found.config["configurable"]["checkpoint_id"] != wanted["checkpoint_id"]:
        raise NotFoundError(f"Checkpoint {wanted['checkpoint_id']} not found in thread {run.thread_id}")


async def _check_continuation(graph: Graph, run: Run) -> None:
    at = {"thread_id": run.thread_id, "checkpoint_ns": ""}
    if (checkpoint_id := _root_checkpoint(run.kwargs.config.get("configurable", {}))) is not None:
        at["checkpoint_id"] = checkpoint_id
    require_pending_nodes(graph, run.graph_id, run.thread_id, await saver_of(graph).aget_tuple({"configurable": at}))


def _root_checkpoint(configurable: dict[str, Any]) -> str | None:
    """The checkpoint of the graph itself that a run starts at, None for the newest: a subgraph's checkpoint names it
    in its map."""
    if not configurable.get("checkpoint_ns"):
        return configurable.get("checkpoint_id")
    found: str | None = (configurable.get("checkpoint_map") or {}).get("")
    return found


def _merged_config(assistant: Assistant, request: RunRequest, caller: Caller) -> dict[str, Any]:
    """The assistant's configuration with the request's over it; the checkpoint to start from joins `configurable`.

    What the assistant is described by joins its `metadata`, as the reference server has it.
    """
    given = request.config
    configurable = {**assistant.config.get("configurable", {}), **given.get("configurable", {})}
    if request.context and given.get("configurable"):
        names = [key for key in given["configurable"] if key not in (*_CHECKPOINT_KEYS, "thread_id", "user_id")]
        if names:
            raise BadRequestError("Give either context or config.configurable, not both.")
    configurable.update(request.context or {})
    configurable = {key: value for key, value in configurable.items() if not key.startswith(_SERVERS_OWN)}
    configurable.update({key: value for key, value in request.checkpoint.items() if key in _CHECKPOINT_KEYS and value})
    configurable.update(caller.configurable)
    if request.cron_id is not None:
        configurable["cron_id"] = request.cron_id
    metadata = {**assistant.metadata, **_metadata_in(assistant.config), **_metadata_in(given)}
    metadata = {key: value for key, value in metadata.items() if not key.startswith(_SERVERS_OWN)}
    return {**assistant.config, **given, "configurable": configurable, "metadata": metadata}


def _metadata_in(config: dict[str, Any]) -> dict[str, Any]:
    metadata = config.get("metadata")
    return metadata if isinstance(metadata, dict) else {}  # assistants and crons of an older version were not checked


def _merged_context(assistant: Assistant, request: RunRequest) -> dict[str, Any]:
    """The assistant's context with the request's over it, by whichever of its two names the client knows it."""
    given = request.config.get("configurable", {})
    older = {key: value for key, value in given.items() if key in assistant.context}
    return {**assistant.context, **older, **(request.context or {})}


def _check_nodes(graph: Graph, key: str, names: list[str] | Literal["*"] | None) -> None:
    if names is None or names == "*":
        return
    unknown = [name for name in names if name not in graph.nodes and name != END]
    if unknown:
        known = ", ".join(sorted(name for name in graph.nodes if not name.startswith("__")))
        raise InvalidError(f"{key} names {', '.join(unknown)}, but this graph's nodes are: {known}")


def _targets(goto: Any) -> list[str]:
    """The nodes that a command's `goto` names: a name, a Send as an object with `node`, or a list of these."""
    if goto is None:
        return []
    if isinstance(goto, list):
        return [name for item in goto for name in _targets(item)]
    name = goto.get("node") if isinstance(goto, dict) else goto
    if not isinstance(name, str):
        raise InvalidError("command.goto must be a node's name, an object with node and input, or a list of these.")
    return [name]


def _uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
