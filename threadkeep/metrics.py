"""What operators measure, as Prometheus metrics with conventional names and units.

No id is ever a label. Where a name comes from a graph, a run or a client (models, tools, nodes), only so many different
ones are told apart; the rest is counted as `other`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from threadkeep import __version__

_MOST_NAMES = 200
OTHER = "other"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_RUN_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Names:
    """A bounded set of label values: the first ones come through, later ones are `other`."""

    def __init__(self, most: int = _MOST_NAMES) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, name: str) -> str:
        if name in self._known:
            return name
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name


@dataclass(frozen=True, slots=True)
class Now:
    """What the gauges show, as it is when somebody looks."""

    pending: int
    running: int
    waiting_seconds: float
    """How long the run that has waited longest could have been running."""
    folder: Path


class _Checkpoints(Collector):
    def __init__(self, written: Callable[[], tuple[int, int]]) -> None:
        self._written = written

    def collect(self) -> Iterator[CounterMetricFamily]:
        count, size = self._written()
        yield CounterMetricFamily("threadkeep_checkpoint_writes", "Checkpoints stored since the start.", count)
        yield CounterMetricFamily("threadkeep_checkpoint_written_bytes", "Bytes stored for them.", size)


class Metrics:
    """One registry a server, so that several in one process (as in tests) never mix."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second line for each series, which nobody reads
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        Info("threadkeep_build", "The version that runs.", registry=self._registry).info({"version": __version__})
        self._models, self._tools, self._nodes = Names(), Names(), Names()
        self._define_http()
        self._define_runs()
        self._define_work()
        self._define_storage()

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(f"threadkeep_{name}", says, labels, registry=self._registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(f"threadkeep_{name}", says, labels, registry=self._registry)

    def _seconds(
        self, name: str, says: str, *labels: str, buckets: tuple[float, ...] = Histogram.DEFAULT_BUCKETS
    ) -> Histogram:
        return Histogram(f"threadkeep_{name}_seconds", says, labels, buckets=buckets, registry=self._registry)

    def _define_http(self) -> None:
        self._requests = self._counter("http_requests_total", "HTTP requests answered.", "method", "route", "status")
        self._request_seconds = self._seconds(
            "http_request_duration", "Time until the head of the answer.", "method", "route"
        )
        self._refused = self._counter("http_refused_total", "Requests that got no further than the door.", "reason")
        self._readers = self._gauge("stream_readers", "Open streams, waiting answers and WebSockets.", "kind")
        self._drops = self._counter("stream_drops_total", "Streams that the server cut off.", "reason")
        self._webhooks = self._counter(
            "webhooks_total", "Tries to deliver a webhook: delivered, failed, or given up.", "outcome"
        )

    def _define_runs(self) -> None:
        self._runs = self._counter("runs_total", "Runs ended, by how.", "graph_id", "status")
        self._run_seconds = self._seconds(
            "run_duration", "Time from a run's start to its end.", "graph_id", buckets=_RUN_BUCKETS
        )
        self._wait_seconds = self._seconds(
            "run_queue_wait", "Time from when a run could have started to its first start.", "graph_id",
            buckets=_RUN_BUCKETS,
        )  # fmt: skip
        self._queue = self._gauge("queue_runs", "Runs in the queue.", "status")
        self._longest_wait = self._gauge("queue_longest_wait_seconds", "How long the oldest waiting run has waited.")
        self._rescued = self._counter("rescued_runs_total", "Runs taken up again after a crash.")
        self._released = self._counter(
            "released_runs_total", "Runs put back in the queue: by a stop, or while storage was away."
        )
        self._parked = self._counter("parked_runs_total", "Runs given up after attempts without progress.")

    def _define_work(self) -> None:
        self._node_seconds = self._seconds(
            "node_duration", "Time a node took.", "graph_id", "node", "outcome", buckets=_CALL_BUCKETS
        )
        self._model_seconds = self._seconds(
            "model_call_duration", "Time a model took to answer.", "model", "outcome", buckets=_CALL_BUCKETS
        )
        self._first_token = self._seconds(
            "time_to_first_token", "Time from a model call to its first streamed token.", "model",
            buckets=_CALL_BUCKETS,
        )  # fmt: skip
        self._tokens = self._counter("model_tokens_total", "Tokens, as the models reported them.", "model", "kind")
        self._cost = self._counter("model_cost_usd_total", "What calls with a known price cost.", "model")
        self._unpriced = self._counter("model_calls_unpriced_total", "Calls whose price is not known.", "model")
        self._tool_seconds = self._seconds(
            "tool_call_duration", "Time a tool took.", "tool", "outcome", buckets=_CALL_BUCKETS
        )

    def _define_storage(self) -> None:
        self._database = self._gauge("database_bytes", "Size of the data folder's files.", "file")

    # -- HTTP -------------------------------------------------------------------------------------------------------

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else OTHER
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def request_refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def reader(self, kind: str) -> AbstractContextManager[None]:
        """Counted as reading while the block lasts."""
        counted: AbstractContextManager[None] = self._readers.labels(kind).track_inprogress()
        return counted

    def reader_dropped(self, reason: str) -> None:
        self._drops.labels(reason).inc()

    def webhook_tried(self, outcome: str) -> None:
        self._webhooks.labels(outcome).inc()

    # -- runs -------------------------------------------------------------------------------------------------------

    def run_started(self, graph_id: str, waited: float) -> None:
        self._wait_seconds.labels(graph_id).observe(waited)

    def run_ended(self, graph_id: str, status: str, seconds: float) -> None:
        self._runs.labels(graph_id, status).inc()
        self._run_seconds.labels(graph_id).observe(seconds)

    def runs_rescued(self, count: int) -> None:
        self._rescued.inc(count)

    def run_released(self) -> None:
        self._released.inc()

    def run_parked(self) -> None:
        self._parked.inc()

    # -- what runs do -----------------------------------------------------------------------------------------------

    def node_ended(self, graph_id: str, node: str, outcome: str, seconds: float) -> None:
        self._node_seconds.labels(graph_id, self._nodes(node), outcome).observe(seconds)

    def first_token(self, model: str, seconds: float) -> None:
        self._first_token.labels(self._models(model)).observe(seconds)

    def model_answered(self, model: str, outcome: str, seconds: float) -> None:
        self._model_seconds.labels(self._models(model), outcome).observe(seconds)

    def tokens_used(self, model: str, usage: Mapping[str, Any]) -> None:
        for kind in ("input", "output"):
            self._tokens.labels(self._models(model), kind).inc(max(int(usage.get(f"{kind}_tokens") or 0), 0))

    def model_cost(self, model: str, cost_usd: float | None) -> None:
        if cost_usd is None:
            self._unpriced.labels(self._models(model)).inc()
        else:
            self._cost.labels(self._models(model)).inc(cost_usd)

    def tool_ended(self, tool: str, outcome: str, seconds: float) -> None:
        self._tool_seconds.labels(self._tools(tool), outcome).observe(seconds)

    def watch_checkpoints(self, written: Callable[[], tuple[int, int]]) -> None:
        """Show what a checkpointer counts itself: checkpoints it stored since the start, and their bytes."""
        self._registry.register(_Checkpoints(written))

    # -- the scrape -------------------------------------------------------------------------------------------------

    def render(self, now: Now) -> bytes:
        """The Prometheus text format, with the gauges set to what is true now."""
        self._queue.labels("pending").set(now.pending)
        self._queue.labels("running").set(now.running)
        self._longest_wait.set(now.waiting_seconds)
        for file in (*now.folder.glob("*.db"), *now.folder.glob("*.db-wal")):
            with suppress(FileNotFoundError):  # a write-ahead log comes and goes
                self._database.labels(file.name).set(file.stat().st_size)
        return generate_latest(self._registry)
