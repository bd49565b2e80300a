"""What operators measure, as Prometheus metrics with conventional names and no ids as labels."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_RUN_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """One registry a server, so that several in one process (as in tests) never mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "threadkeep_http_requests_total",
            "HTTP requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._request_seconds = Histogram(
            "threadkeep_http_request_duration_seconds",
            "Time until the head of the answer.",
            ("method", "route"),
            registry=self._registry,
        )
        self._runs = Counter(
            "threadkeep_runs_total", "Runs ended, by how.", ("graph_id", "status"), registry=self._registry
        )
        self._run_seconds = Histogram(
            "threadkeep_run_duration_seconds",
            "Time from a run's start to its end.",
            ("graph_id",),
            buckets=_RUN_BUCKETS,
            registry=self._registry,
        )
        self._queue = Gauge("threadkeep_queue_runs", "Runs in the queue.", ("status",), registry=self._registry)
        self._rescued = Counter(
            "threadkeep_rescued_runs_total", "Runs taken up again after a crash.", registry=self._registry
        )
        self._webhooks = Counter(
            "threadkeep_webhooks_total",
            "Tries to deliver a webhook: delivered, failed, or given up.",
            ("outcome",),
            registry=self._registry,
        )
        self._database = Gauge("threadkeep_database_bytes", "Size of the data folder's files.", registry=self._registry)

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def run_ended(self, graph_id: str, status: str, seconds: float) -> None:
        self._runs.labels(graph_id, status).inc()
        self._run_seconds.labels(graph_id).observe(seconds)

    def runs_rescued(self, count: int) -> None:
        self._rescued.inc(count)

    def webhook_tried(self, outcome: str) -> None:
        self._webhooks.labels(outcome).inc()

    def render(self, *, pending: int, running: int, database_bytes: int) -> bytes:
        """The Prometheus text format, with the gauges set to what is true now."""
        self._queue.labels("pending").set(pending)
        self._queue.labels("running").set(running)
        self._database.set(database_bytes)
        return generate_latest(self._registry)
