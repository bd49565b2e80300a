"""An OpenAI-compatible model server on a loopback port, for tests: real HTTP, real SSE, and faults on request.

It answers chat completions (streamed or not, with tools, json_schema and usage) from a *brain*: a function of the
messages, tools and schema it was sent. The default brain is the offline model's; tests bring others, which are code
and never lists of canned replies. `fail_next` queues faults; `requests` keeps every request body that arrived.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, convert_to_messages

from nodes.offline import reply

Brain = Callable[[Sequence[BaseMessage], list[dict[str, Any]], dict[str, Any] | None], AIMessage]
Fault = Literal[
    "rate_limit",  # 429 with Retry-After
    "server_error",  # 500
    "bad_request",  # 400, not worth a retry
    "unauthorised",  # 401
    "unknown_model",  # 404
    "context_overflow",  # 400 with code context_length_exceeded
    "context_overflow_vllm",  # 400 that says so in words alone
    "context_overflow_llamacpp",  # 400 that says so in other words
    "drop",  # the connection is closed without a byte
    "hang",  # no byte until the server closes
    "cut",  # the connection breaks in the middle of the answer
    "no_finish",  # the stream ends without finish_reason and [DONE]
    "bad_json",  # a body that is no JSON
    "page",  # a page of HTML with status 200, as a proxy in between gives
    "no_choices",  # an answer without a single choice
    "bad_arguments",  # a tool call whose arguments are no JSON
]
_REFUSALS: dict[str, tuple[int, dict[str, Any]]] = {
    "rate_limit": (429, {"message": "Rate limit reached", "type": "rate_limit_error", "code": "rate_limit_exceeded"}),
    "server_error": (500, {"message": "The server had an error", "type": "server_error", "code": "server_error"}),
    "bad_request": (400, {"message": "Invalid value", "type": "invalid_request_error", "code": "invalid_value"}),
    "context_overflow": (
        400,
        {
            "message": "This model's maximum context length is 4096 tokens.",
            "type": "invalid_request_error",
            "code": "context_length_exceeded",
        },
    ),
    "unauthorised": (401, {"message": "Incorrect API key", "type": "invalid_request_error", "code": "invalid_api_key"}),
    "unknown_model": (404, {"message": "There is no such model", "type": "not_found", "code": "model_not_found"}),
    "context_overflow_vllm": (
        400,
        {
            "message": "This model's maximum context length is 4096 tokens. However, your request has 5000 tokens.",
            "type": "BadRequestError",
            "code": 400,
        },
    ),
    "context_overflow_llamacpp": (
        400,
        {
            "message": "the request exceeds the available context size, try increasing it",
            "type": "exceed_context_size_error",
            "code": 400,
        },
    ),
}


class ModelServer:
    """A running server. `base_url` goes into OPENAI_BASE_URL; no key is needed."""

    def __init__(self, brain: Brain = reply, *, retry_after: float = 0.0) -> None:
        self.brain = brain
        self.requests: list[dict[str, Any]] = []
        self.retry_after = retry_after
        self.knows_schemas = True
        self.reports_usage = True
        self.most_words: int | None = None
        """A prompt of more words is refused as longer than the model's context."""
        self.closing = threading.Event()
        self.received = threading.Semaphore(0)
        self._faults: list[Fault | None] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"model_server": self}))
        self._http.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def fail_next(self, *faults: Fault | None) -> None:
        """Each of the next requests meets one of `faults`, in order; None lets one pass."""
        with self._lock:
            self._faults += faults

    def take(self, request: dict[str, Any]) -> Fault | None:
        """Record a request and give the fault it meets, if any."""
        with self._lock:
            self.requests.append(request)
            fault = self._faults.pop(0) if self._faults else None
        self.received.release()
        return fault

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


@contextmanager
def model_server(brain: Brain = reply) -> Iterator[ModelServer]:
    """A server that answers while the block runs."""
    server = ModelServer(brain)
    server.start()
    try:
        yield server
    finally:
        server.close()


class _Handler(BaseHTTPRequestHandler):
    model_server: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read `requests`, not a log."""

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._json(200, {"object": "list", "data": [{"id": "offline", "object": "model", "owned_by": "tests"}]})
        else:
            self._json(404, {"error": {"message": f"no route {self.path}", "code": "not_found"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self._json(404, {"error": {"message": f"no route {self.path}", "code": "not_found"}})
            return
        fault = self.model_server.take(body)
        if "response_format" in body and not self.model_server.knows_schemas:
            self._json(400, {"error": {"message": "Unknown parameter: 'response_format'", "code": "unknown_parameter"}})
            return
        words = sum(len(str(message.get("content")).split()) for message in body["messages"])
        if self.model_server.most_words is not None and words > self.model_server.most_words:
            fault = "context_overflow"
        if fault in _REFUSALS:
            status, error = _REFUSALS[fault]
            headers = {"Retry-After": str(self.model_server.retry_after)} if status == 429 else {}
            self._json(status, {"error": error}, headers)
        elif fault in ("hang", "drop"):
            if fault == "hang":
                self.model_server.closing.wait()
            self.close_connection = True
        else:
            self._answer(body, fault)

    def _answer(self, body: dict[str, Any], fault: Fault | None) -> None:
        form = body.get("response_format") or {}
        messages = convert_to_messages(body["messages"])
        answer = self.model_server.brain(messages, body.get("tools") or [], form.get("json_schema"))
        calls = _wire_calls(answer, fault)
        usage = _usage(messages, answer)
        if fault == "bad_json":
            self._raw(200, b'{"id": "chatcmpl-1", "choices": [', "application/json")
        elif fault == "page":
            self._raw(200, b"<html><body>Please sign in</body></html>", "text/html")
        elif fault == "no_choices":
            self._raw(200, json.dumps({**_head(body), "choices": []}).encode(), "application/json")
        elif body.get("stream"):
            self._stream(body, answer, calls, usage, fault)
        else:
            message = {"role": "assistant", "content": answer.text or None, **({"tool_calls": calls} if calls else {})}
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
            counted = {"usage": usage} if self.model_server.reports_usage else {}
            whole = {"object": "chat.completion", "choices": [choice], **counted, **_head(body)}
            self._raw(200, json.dumps(whole).encode(), "application/json", cut=fault == "cut")

    def _stream(
        self,
        body: dict[str, Any],
        answer: AIMessage,
        calls: list[dict[str, Any]],
        usage: dict[str, int],
        fault: Fault | None,
    ) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word} for word in _words(str(answer.text))]
        deltas += [{"tool_calls": [{"index": index, **call}]} for index, call in enumerate(calls)]
        if fault == "cut":
            deltas = deltas[: max(2, len(deltas) // 2)]
        for delta in deltas:
            self._event({**_head(body), "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        if fault == "cut":
            self.close_connection = True
            return
        if fault != "no_finish":
            reason = "tool_calls" if calls else "stop"
            self._event({**_head(body), "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
            if (body.get("stream_options") or {}).get("include_usage") and self.model_server.reports_usage:
                self._event({**_head(body), "choices": [], "usage": usage})
            self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, data: dict[str, Any]) -> None:
        self._chunk(f"data: {json.dumps({'object': 'chat.completion.chunk', **data})}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, status: int, value: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._raw(status, json.dumps(value).encode(), "application/json", headers)

    def _raw(
        self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None, *, cut: bool = False
    ) -> None:
        self.send_response(status)
        # One connection per request: a client's pool would outlive the event loop of the test it was opened in.
        self.send_header("Connection", "close")
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut


def _head(body: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "created": 0, "model": body["model"]}


def _wire_calls(answer: AIMessage, fault: Fault | None) -> list[dict[str, Any]]:
    calls = []
    for call in answer.tool_calls:
        arguments = json.dumps(call["args"]) if fault != "bad_arguments" else '{"expression": '
        function = {"name": call["name"], "arguments": arguments}
        calls.append({"id": call["id"], "type": "function", "function": function})
    return calls


def _usage(messages: Sequence[BaseMessage], answer: AIMessage) -> dict[str, int]:
    read = sum(len(str(message.text).split()) + 4 for message in messages)
    written = len(str(answer.text).split()) + 5 * len(answer.tool_calls)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _words(text: str) -> list[str]:
    words = text.split(" ")
    return [word + " " for word in words[:-1]] + words[-1:] if text else []
