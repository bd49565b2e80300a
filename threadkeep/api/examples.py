"""What the API's documentation shows for answers: one true example of each record.

The records themselves are `wire.py`'s; a test compares their keys with these.
"""

from __future__ import annotations

from typing import Any

_TIME = "2026-11-22T10:00:00.000000+00:00"
_THREAD_ID = "019a9f00-0000-7000-8000-000000000001"
_RUN_ID = "019a9f00-0000-7000-8000-000000000002"
_CHECKPOINT_ID = "1f0c7a00-0000-6000-8000-000000000003"
_ASSISTANT_ID = "166c0d22-706c-5a5b-9027-ea37f7308a85"
_MESSAGES = [
    {"type": "human", "content": "what is 17.5% of 2,340?", "id": "m1"},
    {"type": "ai", "content": "409.5", "id": "m2"},
]

ASSISTANT: dict[str, Any] = {
    "assistant_id": _ASSISTANT_ID,
    "graph_id": "react",
    "config": {},
    "context": {},
    "metadata": {"created_by": "system"},
    "name": "react",
    "description": "ReAct: one model, its tools, a loop.",
    "version": 1,
    "created_at": _TIME,
    "updated_at": _TIME,
}
GRAPH: dict[str, Any] = {
    "nodes": [
        {"id": "__start__", "type": "runnable", "data": {"name": "__start__"}},
        {"id": "call_model", "type": "runnable", "data": {"name": "call_model"}},
        {"id": "__end__"},
    ],
    "edges": [{"source": "__start__", "target": "call_model"}, {"source": "call_model", "target": "__end__"}],
}
SCHEMAS: dict[str, Any] = {
    "graph_id": "react",
    "input_schema": {"type": "object", "properties": {"messages": {"type": "array"}}},
    "output_schema": {"type": "object", "properties": {"messages": {"type": "array"}}},
    "state_schema": {"type": "object", "properties": {"messages": {"type": "array"}}},
    "config_schema": {},
    "context_schema": None,
}
THREAD: dict[str, Any] = {
    "thread_id": _THREAD_ID,
    "created_at": _TIME,
    "updated_at": _TIME,
    "state_updated_at": _TIME,
    "metadata": {"graph_id": "react", "assistant_id": _ASSISTANT_ID},
    "config": {},
    "status": "idle",
    "values": {"messages": _MESSAGES},
    "error": None,
    "interrupts": {},
}
CHECKPOINT: dict[str, Any] = {"thread_id": _THREAD_ID, "checkpoint_ns": "", "checkpoint_id": _CHECKPOINT_ID}
STATE: dict[str, Any] = {
    "values": {"messages": _MESSAGES},
    "next": [],
    "tasks": [],
    "metadata": {"source": "loop", "step": 1, "parents": {}},
    "created_at": _TIME,
    "checkpoint": CHECKPOINT,
    "parent_checkpoint": None,
    "interrupts": [],
    "checkpoint_id": _CHECKPOINT_ID,
    "parent_checkpoint_id": None,
}
RUN: dict[str, Any] = {
    "run_id": _RUN_ID,
    "thread_id": _THREAD_ID,
    "assistant_id": _ASSISTANT_ID,
    "metadata": {"created_by": "system", "graph_id": "react", "assistant_id": _ASSISTANT_ID},
    "status": "success",
    "kwargs": {"input": {"messages": _MESSAGES[:1]}, "stream_mode": ["values"]},
    "multitask_strategy": "enqueue",
    "error": None,
    "cancel_reason": None,
    "attempt": 1,
    "usage": {"model_calls": 2, "input_tokens": 120, "output_tokens": 14, "total_tokens": 134, "cost_usd": 0.000058},
    "created_at": _TIME,
    "updated_at": _TIME,
}
USED: dict[str, Any] = {"runs": 1, **RUN["usage"]}
FEEDBACK: dict[str, Any] = {"thumb": "up", "note": "Right, and short.", "updated_at": _TIME}
_MODEL_CALL: dict[str, Any] = {
    "span_id": "019a9f00-0000-7000-8000-000000000006",
    "parent_id": "019a9f00-0000-7000-8000-000000000005",
    "kind": "model",
    "name": "gpt-5-mini",
    "attempt": 1,
    "step": None,
    "started_at": _TIME,
    "seconds": 0.8,
    "outcome": "ok",
    "error": None,
    "provider": "openai",
    "first_after_seconds": 0.3,
    "usage": {"input_tokens": 60, "output_tokens": 7, "total_tokens": 67},
    "cost_usd": 0.000029,
    "sent": ["9f86d081884c7d659a2feaa0c55ad015"],
    "parameters": None,
    "answer": "60303ae22b998861bce3b28f33eec1be",
}
TRACE: dict[str, Any] = {
    "run": {**RUN, "graph_id": "react", "started_at": _TIME, "ended_at": _TIME},
    "recorded": "full",
    "feedback": FEEDBACK,
    "spans": [_MODEL_CALL],
    "contents": dict(zip((*_MODEL_CALL["sent"], _MODEL_CALL["answer"]), _MESSAGES, strict=True)),
}
CRON: dict[str, Any] = {
    "cron_id": "019a9f00-0000-7000-8000-000000000004",
    "assistant_id": _ASSISTANT_ID,
    "thread_id": None,
    "schedule": "0 9 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "end_time": None,
    "enabled": True,
    "on_run_completed": "delete",
    "payload": {"assistant_id": _ASSISTANT_ID, "input": {"messages": _MESSAGES[:1]}},
    "metadata": {"team": "support"},
    "user_id": None,
    "next_run_date": "2026-11-23T08:00:00.000000+00:00",
    "created_at": _TIME,
    "updated_at": _TIME,
}
VALUES: dict[str, Any] = {"messages": _MESSAGES}
ITEM: dict[str, Any] = {
    "namespace": ["users", "ada"],
    "key": "language",
    "value": {"speaks": "English"},
    "created_at": _TIME,
    "updated_at": _TIME,
}
CHAT: dict[str, Any] = {
    "response": "17.5% of 2,340 is 409.5.",
    "thread_id": _THREAD_ID,
    "user_id": "ada",
    "graph": "react",
    "run_id": _RUN_ID,
    "model": "openai:gpt-5-mini",
    "duration": 1.6,
    "tools_used": ["calculator"],
    "usage": RUN["usage"],
}
FAILED_CHAT: dict[str, Any] = {
    **CHAT,
    "response": None,
    "error": {"error": "APITimeoutError", "message": "Request timed out."},
    "detail": "The run failed: Request timed out.",
}
RESET: dict[str, Any] = {"thread_id": _THREAD_ID, "user_id": "ada", "graph": "react"}
USER_THREAD: dict[str, Any] = {
    "thread_id": _THREAD_ID,
    "graph": "react",
    "status": "idle",
    "last_message": "409.5",
    "created_at": _TIME,
    "updated_at": _TIME,
}
MEMORY: dict[str, Any] = {"on": True, "preferences": {"language": {"value": "English"}}, "notes": {}}
ERASED: dict[str, Any] = {
    "user_id": "ada",
    "erased": {"threads": 2, "crons": 0, "assistants": 0, "store_items": 3},
    "note": "Backups made before this still hold what was erased.",
}
CHAT_STREAM = (
    f'event: metadata\r\ndata: {{"run_id":"{_RUN_ID}","thread_id":"{_THREAD_ID}","graph":"react"}}\r\n\r\n'
    'event: token\r\ndata: {"text":"409.5","message_id":"m2"}\r\n\r\n'
    f'event: done\r\ndata: {{"response":"409.5","thread_id":"{_THREAD_ID}","run_id":"{_RUN_ID}"}}\r\n\r\n'
)
STREAM = (
    f'event: metadata\r\ndata: {{"run_id":"{_RUN_ID}","attempt":1}}\r\nid: 1\r\n\r\n'
    'event: values\r\ndata: {"messages":[]}\r\nid: 2\r\n\r\n'
    f'event: end\r\ndata: {{"run_id":"{_RUN_ID}","status":"success"}}\r\nid: 3\r\n\r\n'
)

EVENTS = (
    'event: lifecycle\r\ndata: {"type":"event","event_id":"synth:01a206e0:7000000100","seq":7000000100,'
    '"method":"lifecycle","params":{"namespace":[],"timestamp":1790000000000,"data":{"event":"running",'
    '"graph_name":"react"}}}\r\nid: 7000000100\r\n\r\n'
)

ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"description": "No such resource", "content": {"application/json": {"example": {"detail": "... not found"}}}},
    409: {
        "description": "The resource is in a state that forbids this",
        "content": {"application/json": {"example": {"detail": "Thread is already running a task."}}},
    },
    422: {
        "description": "What was sent breaks a rule",
        "content": {"application/json": {"example": {"detail": "limit: Input should be at least 1"}}},
    },
}


def shown(answer: Any, description: str = "OK") -> dict[str, Any]:
    """One OpenAPI response: JSON like `answer`."""
    return {"description": description, "content": {"application/json": {"example": answer}}}


def documented(answer: Any, *, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses of a route that answers JSON like `answer`, or an error."""
    return {**ERRORS, status: shown(answer)}


def documented_chat() -> dict[int | str, dict[str, Any]]:
    """A turn, whole or streamed, and what a failed one answers."""
    turn = shown(CHAT)
    turn["content"]["text/event-stream"] = {"example": CHAT_STREAM}
    return {**ERRORS, 200: turn, 502: shown(FAILED_CHAT, "The run failed, or was cancelled")}


def documented_stream() -> dict[int | str, dict[str, Any]]:
    return {**ERRORS, 200: {"description": "Server-Sent Events", "content": {"text/event-stream": {"example": STREAM}}}}


def documented_events() -> dict[int | str, dict[str, Any]]:
    return {**ERRORS, 200: {"description": "Server-Sent Events", "content": {"text/event-stream": {"example": EVENTS}}}}


READY: dict[int | str, dict[str, Any]] = {
    200: shown({"ready": True, "reasons": []}),
    503: shown({"ready": False, "reasons": ["The server is stopping."]}, "Send no runs here now"),
}
