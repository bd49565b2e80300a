"""Traces, as a receiver sees them: one from the request to the tool; none unless asked for; never in the way."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.acceptance.talking import chat, wait_until
from tests.processes import running_server

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """Takes whatever is posted to it, as OpenTelemetry's collectors, LangSmith and Langfuse do."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""

    def spans(self) -> list[Any]:
        found = []
        for path, _, body in self.received:
            if path.endswith("/v1/traces"):
                request = ExportTraceServiceRequest.FromString(body)
                found += [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
        return found


@contextmanager
def running_collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            collector.received.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_PATCH = do_POST  # noqa: N815 - names of http.server

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{listening.server_port}"
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        listening.shutdown()
        listening.server_close()


def attributes(span: Any) -> dict[str, Any]:
    return {item.key: item.value.string_value or item.value.int_value for item in span.attributes}


def test_one_trace_goes_from_the_request_to_the_run_its_nodes_models_and_tools(data_dir: Path) -> None:
    with running_collector() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        with running_server(data_dir, environment=environment) as server:
            with server.client() as client:
                body = {"message": "what is 17.5% of 2,340? xyzzy-plugh"}
                answer = client.post("/chat", json=body, headers={"traceparent": PARENT}).json()
            assert server.stop() == 0
        spans = [span for span in collector.spans() if span.trace_id.hex() == PARENT.split("-")[1]]
    named = {span.name: span for span in spans}
    by_id = {span.span_id: span for span in spans}

    def above(span: Any) -> list[str]:
        names = []
        while span.parent_span_id in by_id:
            span = by_id[span.parent_span_id]
            names.append(span.name)
        return names

    request, run = named["POST /chat"], named["run react"]
    assert request.parent_span_id.hex() == PARENT.split("-")[2]
    assert above(run) == ["POST /chat"]
    assert attributes(run)["threadkeep.run_id"] == answer["run_id"]
    assert attributes(run)["threadkeep.status"] == "success"
    tools = [span for span in spans if attributes(span).get("gen_ai.tool.name") == "calculator"]
    models = [span for span in spans if attributes(span).get("gen_ai.operation.name") == "chat"]
    assert len(models) == 2
    assert attributes(models[0])["gen_ai.usage.input_tokens"] > 0
    assert tools
    for inner in (models[0], tools[0]):
        assert above(inner)[-2:] == ["run react", "POST /chat"]
        assert len(above(inner)) >= 3, "a node stands between"
    assert not any("xyzzy" in str(span) for span in spans), "what people write is theirs"


def test_langfuse_gets_the_same_by_its_own_variables(data_dir: Path) -> None:
    with running_collector() as collector:
        keys = {"LANGFUSE_PUBLIC_KEY": "pk-lf-one", "LANGFUSE_SECRET_KEY": "sk-lf-two"}
        with running_server(data_dir, environment={**keys, "LANGFUSE_BASE_URL": collector.url}) as server:
            with server.client() as client:
                chat(client, "hello")
            assert server.stop() == 0
        assert "run react" in {span.name for span in collector.spans()}
        path, headers, _ = collector.received[0]
    assert path == "/api/public/otel/v1/traces"
    assert headers["authorization"] == f"Basic {base64.b64encode(b'pk-lf-one:sk-lf-two').decode()}"


def test_langsmith_gets_runs_when_its_variables_say_so_and_nothing_else_is_ever_sent(data_dir: Path) -> None:
    with running_collector() as collector:
        # Where it would go, and with which key, is there in both cases; only the second one asks for it.
        quiet = {
            "LANGSMITH_ENDPOINT": collector.url,
            "LANGSMITH_API_KEY": "lsv2_pt_nothing",
            "LANGFUSE_BASE_URL": collector.url,
            "HTTP_PROXY": collector.url,
            "HTTPS_PROXY": collector.url,
        }
        with running_server(data_dir, environment=quiet) as server:
            with server.client() as client:
                chat(client, "hello")
            assert server.stop() == 0
        assert collector.received == []
        with running_server(data_dir, environment={**quiet, "LANGSMITH_TRACING": "true"}) as server:
            with server.client() as client:
                chat(client, "hello")
            wait_until(lambda: any("/runs" in path for path, _, _ in collector.received), what="what LangSmith gets")


def test_a_receiver_that_is_down_is_in_nobodys_way(data_dir: Path) -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with running_server(data_dir, environment=environment) as server:
        with server.client() as client:
            for _ in range(5):
                assert chat(client, "hello")["response"]
        assert server.stop() == 0


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_the_usual_switches_switch_it_off(data_dir: Path, off: dict[str, str]) -> None:
    with running_collector() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **off}
        with running_server(data_dir, environment=environment) as server:
            with server.client() as client:
                chat(client, "hello")
            assert server.stop() == 0
        assert collector.received == []
