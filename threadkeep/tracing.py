"""OpenTelemetry traces of requests, runs, nodes, models and tools; off unless the usual environment asks for them.

Spans of requests are FastAPI's, those inside a run are LangChain's instrumentation's (`gen_ai.*`), the one of the run
joins them: it belongs to the request that asked, also in another process. Spans leave by a bounded queue on a thread:
when nobody takes them they are dropped, and no run waits.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from opentelemetry import propagate, trace

from threadkeep import __version__
from threadkeep.errors import StartupError

_STOP_SECONDS = 5.0
_EXPORT_SECONDS = "5"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_LANGFUSE = "https://cloud.langfuse.com"

_tracer = trace.get_tracer("threadkeep", __version__)


def traceparent() -> str | None:
    """The current span, as W3C Trace Context writes it; None when nothing is traced."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


def run_span(name: str, parent: str | None, attributes: Mapping[str, str | int]) -> AbstractContextManager[trace.Span]:
    """The span of one attempt at a run, below the request that asked for it; one of no effect when nothing traces."""
    if parent is None and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return nullcontext(trace.INVALID_SPAN)
    return _traced(name, parent, attributes)


@contextmanager
def _traced(name: str, parent: str | None, attributes: Mapping[str, str | int]) -> Iterator[trace.Span]:
    context = None if parent is None else propagate.extract({"traceparent": parent})
    with _tracer.start_as_current_span(name, context=context, attributes=dict(attributes)) as span:
        yield span


class Tracing:
    """What is running of it in this process: nothing, or a provider with its exporters."""

    def __init__(self, provider: Any = None) -> None:
        self._provider = provider

    async def stop(self) -> None:
        """Send what waits, for a few seconds at most."""
        if self._provider is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.to_thread(self._provider.shutdown), _STOP_SECONDS)


def start_tracing(environment: MutableMapping[str, str]) -> Tracing:
    """Trace from now on if the environment names a receiver; raises `StartupError` when the packages are not there."""
    langfuse = environment.get("LANGFUSE_PUBLIC_KEY") and environment.get("LANGFUSE_SECRET_KEY")
    otlp = any(environment.get(name) for name in _ENDPOINTS) and environment.get("OTEL_TRACES_EXPORTER") != "none"
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or not (otlp or langfuse):
        return Tracing()
    environment.setdefault("TRACELOOP_TRACE_CONTENT", "false")  # what people write is theirs
    environment.setdefault("OTEL_EXPORTER_OTLP_TIMEOUT", _EXPORT_SECONDS)
    environment.setdefault("OTEL_SERVICE_NAME", "threadkeep")
    try:
        # Only here: most servers trace nothing.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.instrumentation.langchain import LangchainInstrumentor  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise StartupError(
            f"The environment asks for traces, and a package is missing ({error.name}): "
            "pip install '.[otel]', or set OTEL_SDK_DISABLED=true."
        ) from None
    provider = TracerProvider(shutdown_on_exit=False)
    if otlp:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if langfuse:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(**_langfuse(environment))))
    trace.set_tracer_provider(provider)
    LangchainInstrumentor(disable_trace_context_propagation=True).instrument(tracer_provider=provider)
    return Tracing(provider)


def _langfuse(environment: Mapping[str, str]) -> dict[str, Any]:
    """Langfuse takes OpenTelemetry's own protocol; its usual variables say where and with which keys."""
    host = environment.get("LANGFUSE_BASE_URL") or environment.get("LANGFUSE_HOST") or _LANGFUSE
    keys = f"{environment['LANGFUSE_PUBLIC_KEY']}:{environment['LANGFUSE_SECRET_KEY']}"
    authorization = f"Basic {base64.b64encode(keys.encode()).decode()}"
    return {
        "endpoint": f"{host.rstrip('/')}/api/public/otel/v1/traces",
        "headers": {"Authorization": authorization, "x-langfuse-ingestion-version": "4"},
    }
