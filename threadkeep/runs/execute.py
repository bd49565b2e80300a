"""One attempt at one run: drives the graph, shows what it does, and hands what it came to on to be stored.

It never writes to a socket: readers follow the event log. It never concludes from a thread's state that a run is over
(after a crash, `state.next` may be empty while a task's writes wait to be applied): the run's row says what is to do,
and a run whose thread already holds checkpoints of its own goes on from the newest one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from opentelemetry.trace import StatusCode

from threadkeep import json
from threadkeep.callers import EVERYONE
from threadkeep.clock import Clock, seconds_since, timestamp
from threadkeep.errors import ThreadkeepError, UnavailableError, said_by
from threadkeep.graphs import Graph, Graphs, context_for, saver_of
from threadkeep.masking import Mask
from threadkeep.metrics import Metrics
from threadkeep.runs.attempt import Attempt, Showing, note_root
from threadkeep.runs.cleanup import Cleanup
from threadkeep.runs.configuration import run_config
from threadkeep.runs.drift import require_pending_nodes
from threadkeep.runs.finishing import Finishing
from threadkeep.runs.measuring import Measuring
from threadkeep.runs.prices import Prices
from threadkeep.runs.putting_back import put_back, uninterrupted
from threadkeep.runs.queue import RunQueue
from threadkeep.runs.recorder import Recorder
from threadkeep.runs.recording import Recording
from threadkeep.runs.resume import graph_input, has_values_beside, is_over, may_ask_again, position_of
from threadkeep.runs.run import CancelAction, Durability, Ending, Run, cancelled_ending
from threadkeep.settings import Settings
from threadkeep.streams.event_log import EventLog
from threadkeep.streams.frames import Frames, full_interrupt, interrupt_record, langgraph_modes
from threadkeep.streams.lifecycle import telling_of_inner_tasks, with_inner_tasks
from threadkeep.streams.traced import parts_with_events
from threadkeep.tracing import run_span

log = structlog.get_logger("threadkeep.runs")


@dataclass(frozen=True, slots=True)
class Beginning:
    resuming: bool
    """The thread's newest checkpoint is this run's own: go on from there, with no input."""


class Executor:
    def __init__(
        self,
        *,
        queue: RunQueue,
        event_log: EventLog,
        graphs: Graphs,
        saver: BaseCheckpointSaver[Any],
        cleanup: Cleanup,
        metrics: Metrics,
        prices: Prices,
        recorder: Recorder,
        mask: Mask,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._queue = queue
        self._log = event_log
        self._graphs = graphs
        self._saver = saver
        self._cleanup = cleanup
        self._metrics = metrics
        self._recorder = recorder
        self._mask = mask
        self._clock = clock
        self._settings = settings
        self.stopping = False
        """The server gives up on runs now; what cannot be stored at once is left for the next start."""
        self._finishing = Finishing(
            queue=queue,
            event_log=event_log,
            graphs=graphs,
            saver=saver,
            cleanup=cleanup,
            metrics=metrics,
            prices=prices,
            clock=clock,
            stopping=lambda: self.stopping,
        )

    async def execute(self, run: Run, control: RunControl) -> str:
        """Carry out one started attempt to its end, whatever that is: its status, `rolled_back`, or `released`.

        A span in the trace of who asked for it.
        """
        attributes: dict[str, str | int] = {
            "threadkeep.run_id": run.run_id,
            "threadkeep.thread_id": run.thread_id,
            "threadkeep.graph_id": run.graph_id,
            "threadkeep.attempt": run.attempt,
        }
        parent = run.kwargs.traceparent
        with run_span(f"run {run.graph_id}", parent, attributes) as span, self._recorder.recording(run) as recording:
            try:
                status = await self._carry_out(run, control, recording)
            except UnavailableError as error:
                # Storage was away for longer than an operation waits for it: neither the graph's failure nor an end.
                log.warning("run_without_storage", run_id=run.run_id, attempt=run.attempt, error=str(error))
                await self._put_back(run, counts=True)
                self._metrics.run_released()
                status = "released"
            span.set_attribute("threadkeep.status", status)
            if status in ("error", "timeout"):
                span.set_status(StatusCode.ERROR)
            return status

    async def _carry_out(self, run: Run, control: RunControl, recording: Recording | None) -> str:
        """How the attempt ended, in one word.

        Stopped from outside, it looks up what was decided about the run: with no decision it is put back in the queue.
        Cancelled though nobody stopped it, the process breaks down, perhaps by this very run: it stays as it is, for
        the next start to count. `UnavailableError` when storage was away for too long.
        """
        elsewhere = self._queue.worker_id is not None and run.kwargs.home != self._queue.worker_id
        stream = await self._log.produce(
            run.run_id,
            resumable=run.kwargs.stream_resumable,
            awaited_elsewhere=elsewhere,
            again=run.attempt > 1,
        )
        measuring = Measuring(run.graph_id, self._metrics, self._clock)
        attempt = Attempt(run, stream, self._clock.monotonic(), self._queue.starts, measuring, recording)
        request = {} if run.kwargs.request_id is None else {"request_id": run.kwargs.request_id}
        bound = log.bind(
            **request, run_id=run.run_id, thread_id=run.thread_id, graph_id=run.graph_id, user_id=run.user_id
        )
        waited = seconds_since(run.due_at, self._clock.now())
        if run.attempt == 1:
            self._metrics.run_started(run.graph_id, waited)
        bound.info("run_started", attempt=run.attempt, queued_ms=round(waited * 1000))
        try:
            ending = await self._attempt(attempt, control)
        except (GraphDrained, asyncio.CancelledError) as stop:
            action = await self._decided(run)
            if action is None:
                self._log.close(stream, None)
                if control.drain_requested:  # not the run's fault, so that it does not count as a failed attempt
                    await self._put_back(run, counts=False)
                if isinstance(stop, asyncio.CancelledError):
                    raise
                self._metrics.run_released()
                bound.info("run_released", attempt=run.attempt)
                return "released"
            ending = cancelled_ending(action)
        except UnavailableError:
            self._log.close(stream, None)  # who reads comes back to the next attempt
            raise
        except BaseException as error:  # noqa: BLE001 - the border around one run: whatever a graph raises is its run's end
            bound.warning("run_failed", error=type(error).__name__, exc_info=error)
            ending = _failed({"error": type(error).__name__, "message": self._mask(said_by(error))})
        ending = await self._end(attempt, ending)
        status = "rolled_back" if ending.rolled_back else ending.status
        seconds = round(self._clock.monotonic() - attempt.started, 6)
        self._metrics.run_ended(run.graph_id, status, seconds)
        used = attempt.used
        bound.info(
            "run_ended", status=status, attempt=run.attempt, duration=seconds, exec_ms=round(seconds * 1000),
            model_calls=used["model_calls"], total_tokens=used["total_tokens"], cost_usd=used["cost_usd"],
        )  # fmt: skip
        return status

    async def _end(self, attempt: Attempt, ending: Ending) -> Ending:
        """Store the ending and show it; what a graph left that cannot be stored is given up, not the end."""
        try:
            return await uninterrupted(self._finishing.end(attempt, ending))
        except ThreadkeepError:
            raise
        except Exception as error:
            log.error("values_not_stored", run_id=attempt.run.run_id, exc_info=error)
            attempt.values = None
            failed = _failed({"error": type(error).__name__, "message": self._mask(said_by(error))})
            return await uninterrupted(self._finishing.end(attempt, failed))

    async def _attempt(self, attempt: Attempt, control: RunControl) -> Ending:
        run = attempt.run
        await self._queue.until_end_is_safe(run.thread_id)
        await self._cleanup.undo_runs(run.thread_id)
        if run.cancel is not None:
            return cancelled_ending(run.cancel)
        if run.error is not None:
            return _failed(run.error)
        beginning = await self._beginning(attempt)
        if isinstance(beginning, Ending):
            return beginning
        self._log.append(
            attempt.stream, "metadata", {"run_id": run.run_id, "attempt": run.attempt}, attempt=run.attempt
        )
        timeout = asyncio.timeout(self._settings.run_timeout_seconds)
        try:
            async with timeout:
                await self._drive(attempt, control, resuming=beginning.resuming)
        except TimeoutError:
            if not timeout.expired():
                raise
            message = f"The run took longer than {self._settings.run_timeout_seconds:g} s."
            return _failed({"error": "RunTimeout", "message": message}, timeout=True)
        return await self._ending_of(attempt)

    async def _beginning(self, attempt: Attempt) -> Beginning | Ending:
        """Where this attempt starts; an ending when there is nothing left to do, or no sense in trying."""
        run = attempt.run
        if run.attempt == 1 and not may_ask_again(run):
            return Beginning(resuming=False)
        async with self._graphs.bound(run.graph_id, self._config(attempt, resuming=False)) as graph:
            position = await position_of(run, graph)
            if run.attempt > 1 and await is_over(run, position, graph):
                attempt.interrupted = True
                attempt.values, attempt.interrupts = position.snapshot.values, list(position.snapshot.interrupts)
                return await self._ending_of(attempt)
            if run.attempt > 1:
                require_pending_nodes(graph, run.graph_id, run.thread_id, position.found)
        failed = await self._queue.note_attempt(run, progress=str(position))
        if failed >= self._settings.max_attempts:
            self._metrics.run_parked()
            message = f"{failed} attempts in a row ended without any progress; the run is not tried again."
            return _failed({"error": "PoisonRun", "message": message})
        return Beginning(resuming=run.attempt > 1 and position.checkpoint_id is not None)

    async def _drive(self, attempt: Attempt, control: RunControl, *, resuming: bool) -> None:
        run = attempt.run
        config = self._config(attempt, resuming=resuming)
        context = run.kwargs.context
        async with self._graphs.bound(
            run.graph_id, config, access="threads.create_run", context=context, owner=run.owner
        ) as graph:
            parts = self._parts(graph, attempt, config, control, None if resuming else graph_input(run))
            frames = Frames(run.kwargs.stream_mode, subgraphs=run.kwargs.stream_subgraphs)
            shown = Showing(self._log, attempt, frames, self._mask)
            async for part in parts:
                if not part["ns"]:
                    note_root(attempt, part)
                shown.show(with_inner_tasks(part))
                await self._log.room(attempt.stream)
            shown.let_go()

    def _parts(
        self, graph: Graph, attempt: Attempt, config: RunnableConfig, control: RunControl, given: Any
    ) -> AsyncIterator[Any]:
        kwargs = attempt.run.kwargs
        modes = langgraph_modes(kwargs.stream_mode)
        may_stop = kwargs.interrupt_before or kwargs.interrupt_after
        if may_stop or graph.interrupt_before_nodes or graph.interrupt_after_nodes:
            modes = sorted({*modes, "updates"})  # only there does a stop without a value show
        if kwargs.stream_resumable and "values" in kwargs.stream_mode and kwargs.durability != "exit":
            modes = sorted({*modes, "checkpoints"})  # they tell the id that a values frame is stored as
        options: dict[str, Any] = {
            "context": context_for(graph, kwargs.context, kwargs.config.get("configurable", {})),
            "stream_mode": modes,
            "interrupt_before": kwargs.interrupt_before,
            "interrupt_after": kwargs.interrupt_after,
            "durability": self._durability(kwargs.durability),
            "control": control,
            "subgraphs": kwargs.stream_subgraphs,
        }
        if "lifecycle" in kwargs.stream_mode and not kwargs.stream_subgraphs:
            config = telling_of_inner_tasks(config)
        if "events" in kwargs.stream_mode:
            return parts_with_events(graph.astream_events(given, config, version="v2", **options), attempt.run.run_id)
        parts: AsyncIterator[Any] = graph.astream(given, config, version="v2", **options)
        return parts

    def _durability(self, asked: Durability | None) -> Durability:
        """In step, unless the client asked otherwise.

        A step then begins after the checkpoint of the one before is committed, so that whoever goes on after a crash
        repeats only the step that was under way. `async`, LangGraph's own default, lets a step begin first. A saver
        without `flush` cannot say when its background writes are safe, so it is not asked to make any.
        """
        if hasattr(self._saver, "flush"):
            return asked or "sync"
        return "exit" if asked == "exit" else "sync"

    def _config(self, attempt: Attempt, *, resuming: bool) -> RunnableConfig:
        run = attempt.run
        config = run_config(run)
        configurable = config["configurable"]
        if resuming:
            for key in ("checkpoint_id", "checkpoint_ns", "checkpoint_map"):
                configurable.pop(key, None)  # a fork has happened; its newest checkpoint is the thread's
        configurable.update(self._fence(run))
        config["callbacks"] = attempt.callbacks()
        config["run_id"] = UUID(run.run_id)
        return config

    def _fence(self, run: Run) -> dict[str, Any]:
        """What the checkpointer of several processes tells an attempt by that has lost its run unawares."""
        return {} if self._queue.worker_id is None else {"__threadkeep_attempt": run.attempt}

    async def _ending_of(self, attempt: Attempt) -> Ending:
        """A graph that ran to its end, or to a stop where somebody has to say something."""
        if not attempt.interrupted:
            return Ending("success", "idle")
        async with self._graphs.bound(attempt.run.graph_id, self._config(attempt, resuming=False)) as graph:
            state = await graph.aget_state({"configurable": {"thread_id": attempt.run.thread_id}})
            beside = has_values_beside(await saver_of(graph).aget_tuple(state.config), graph)
        interrupts = {task.id: [interrupt_record(item) for item in task.interrupts] for task in state.tasks}
        return Ending(
            "success",
            "interrupted",
            interrupts={task_id: found for task_id, found in interrupts.items() if found},
            # The thread goes on from here; who asks for this run's answer later gets what it was.
            outcome={
                "checkpoint_id": state.config["configurable"].get("checkpoint_id"),
                "interrupts": [full_interrupt(item) for item in attempt.interrupts],
                # The checkpoint lacks them, and once more is answered, nothing tells any more what they were by now.
                **({"values": json.to_jsonable(attempt.values)} if beside else {}),
            },
        )

    async def _put_back(self, run: Run, *, counts: bool) -> None:
        await uninterrupted(put_back(self._queue, run, counts=counts, now=self._now, stopping=lambda: self.stopping))

    async def _decided(self, run: Run) -> CancelAction | None:
        try:
            return (await self._queue.get(run.run_id, EVERYONE)).cancel
        except ThreadkeepError:
            return None

    def _now(self) -> str:
        return timestamp(self._clock.now())


def _failed(error: dict[str, str], *, timeout: bool = False) -> Ending:
    return Ending("timeout" if timeout else "error", "error", error=error, thread_error=error)
