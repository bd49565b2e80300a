"""One turn of a conversation: a message in, an answer with its summary out, on top of the one run path."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Self

import structlog
from pydantic import Field, field_validator, model_validator
from starlette.responses import Response

from threadkeep import json
from threadkeep.api.answers import answer_of, text_of
from threadkeep.api.requests import uuid_of
from threadkeep.api.responses import Json, final_values, long_response, until_stopping
from threadkeep.api.schemas import Body
from threadkeep.api.users import allowed
from threadkeep.callers import EVERYONE, Caller
from threadkeep.clock import new_uuid7
from threadkeep.engine import Engine
from threadkeep.errors import ConflictError, InvalidError, NotFoundError
from threadkeep.runs.accept import AcceptedRun, RunRequest
from threadkeep.runs.run import Run
from threadkeep.storage.thread_rows import Thread, born_with, missing
from threadkeep.streams.live import END, Event
from threadkeep.streams.sse import EVENT_STREAM, HEARTBEAT

_STREAMED = ["messages-tuple", "tools", "custom", "values"]


class ChatRequest(Body):
    message: str | None = Field(None, examples=["what is 17.5% of 2,340?"])
    resume: Any = Field(None, description="The answer to what the graph has asked, where that is more than a text.")
    user_id: str | None = Field(None, min_length=1, max_length=200)
    thread_id: str | None = None
    graph: str | None = None
    stream: bool = False

    @field_validator("message")
    @classmethod
    def _says_something(cls, message: str | None) -> str | None:
        if message is not None and not message.strip():
            raise ValueError("must not be empty")
        return message

    @model_validator(mode="after")
    def _message_or_answer(self) -> Self:
        if (self.message is None) == (self.resume is None):
            raise ValueError("give either message, or resume with the answer to what the graph has asked")
        return self


class ResetRequest(Body):
    user_id: str | None = Field(None, min_length=1, max_length=200)
    graph: str | None = None


async def new_thread(engine: Engine, caller: Caller, *, graph_id: str, user_id: str | None) -> Thread:
    """A thread not stored yet; the project's rules may refuse it, or add to its metadata."""
    moment = engine.clock.now()
    _, asked = await allowed(engine, caller, "create", if_exists="raise")
    metadata = {**asked, "graph_id": graph_id} | ({} if user_id is None else {"user_id": user_id})
    thread = Thread(
        str(new_uuid7(moment)),
        engine.now(),
        owner=caller.identity,
        user_id=user_id,
        graph_id=graph_id,
        metadata=metadata,
    )
    return born_with(thread, engine.acceptance.thread_ttl, moment)


def require_graph(engine: Engine, name: str) -> str:
    if name not in engine.graphs.ids:
        raise InvalidError(f"graph: there is no {name!r}; this server has {', '.join(engine.graphs.ids)}")
    return name


async def thread_of(engine: Engine, thread_id: str, user_id: str | None, caller: Caller) -> Thread:
    """The thread, if it is this user's; to anybody else it is not there."""
    thread = await engine.threads.get(uuid_of("thread", thread_id), caller)
    if thread.user_id is not None and thread.user_id != user_id:
        raise missing(thread.thread_id)
    return thread


def check_graph(thread: Thread, asked: str | None) -> None:
    if asked is not None and thread.graph_id is not None and asked != thread.graph_id:
        raise ConflictError(
            f"Thread {thread.thread_id} was made with the graph {thread.graph_id!r} and keeps it; "
            f"start another thread to chat with {asked!r}."
        )


def answer_to(thread: Thread, said: str) -> dict[str, Any] | None:
    """The command that gives what was said to whatever the thread has asked; none when it has asked nothing."""
    asked = [item["id"] for items in thread.interrupts.values() for item in items]
    if thread.status != "interrupted" or not asked:
        return None
    return {"resume": said if len(asked) == 1 else dict.fromkeys(asked, said)}


async def take_turn(
    engine: Engine, chat: ChatRequest, thread: Thread, graph_id: str, caller: Caller, *, key: str | None, stream: bool
) -> Response:
    """Run the graph on the thread with the message and answer with a summary, streamed or whole.

    On a thread that has asked something the message is the answer.
    """
    command = {"resume": chat.resume} if chat.message is None else answer_to(thread, chat.message)
    request = RunRequest(
        assistant_id=graph_id,
        input=None if command else {"messages": [{"role": "user", "content": chat.message}]},
        command=command,
        stream_mode=_STREAMED if stream else ["values"],
        stream_subgraphs=stream,  # an agent inside another speaks token by token, too
        user_id=chat.user_id or thread.user_id,
        idempotency_key=key,
    )
    accepted = await engine.acceptance.accept(request, caller, thread_id=thread.thread_id, listen=stream)
    run = accepted.run
    structlog.contextvars.bind_contextvars(
        run_id=run.run_id, thread_id=run.thread_id, graph_id=run.graph_id, user_id=run.user_id
    )
    headers = {"content-location": f"/threads/{run.thread_id}/runs/{run.run_id}"}
    if stream:
        body = _turn_events(engine, accepted)
        return long_response(engine, body, media_type=EVENT_STREAM, heartbeat=HEARTBEAT, headers=headers)
    values = await final_values(engine, run, accepted.stream)
    summary = await _summary(engine, run, values)
    return Json(summary, 502 if "error" in summary else 200, headers=headers)


async def _summary(engine: Engine, run: Run, values: Any) -> dict[str, Any]:
    """What `/chat` answers; a failed run has `error` beside its `run_id`, an interrupted one `interrupts`."""
    try:
        run = await engine.queue.get(run.run_id, EVERYONE)
    except NotFoundError:
        raise ConflictError("The run was cancelled and undone by another request.") from None
    values = json.to_jsonable(values)
    summary: dict[str, Any] = {
        "response": None,
        "thread_id": run.thread_id,
        "user_id": run.user_id,
        "graph": run.graph_id,
        "run_id": run.run_id,
        "model": engine.model,
        "duration": run.outcome.get("duration"),
        "tools_used": run.outcome.get("tools_used", []),
        "usage": run.outcome.get("usage"),
    }
    if run.error is not None:
        return {**summary, "error": run.error, "detail": f"The run failed: {run.error['message']}"}
    if run.status == "interrupted":
        return {**summary, "error": {"error": "UserInterrupt", "message": "The run was cancelled."}}
    if isinstance(values, dict) and values.get("__interrupt__"):
        return {**summary, "interrupts": values["__interrupt__"]}
    return {**summary, "response": answer_of(values)}


async def _turn_events(engine: Engine, accepted: AcceptedRun) -> AsyncGenerator[bytes, None]:
    """`metadata`, then `token`, `discard`, `tool_call`, `tool_result` as they come, then `done` (or `error`).

    `done` holds the summary. `discard` names a message whose tokens are void: a model broke off, and is asked again.
    """
    run = accepted.run
    yield _frame("metadata", {"run_id": run.run_id, "thread_id": run.thread_id, "graph": run.graph_id})
    if accepted.events is not None:
        async for events in until_stopping(accepted.events):
            frames = [frame for event in events if event.name != END for frame in _turn_frames(event)]
            if frames:
                yield b"".join(frames)
    summary = await _summary(engine, run, await final_values(engine, run, accepted.stream))
    yield _frame("error" if "error" in summary else "done", summary)


def _turn_frames(event: Event) -> list[bytes]:
    mode = event.name.partition("|")[0]
    if mode == "messages":
        message, _ = json.loads(event.data)
        text = text_of(message["content"]) if message["type"] in ("AIMessageChunk", "ai") else ""
        return [_frame("token", {"text": text, "message_id": message["id"]})] if text else []
    if mode == "tools":
        return _tool_frames(json.loads(event.data))
    if mode == "custom":
        told = json.loads(event.data)
        if isinstance(told, dict) and told.get("type") == "discard":
            return [_frame("discard", {"message_id": told.get("message_id")})]
    return []


def _tool_frames(tool: dict[str, Any]) -> list[bytes]:
    known = {"id": tool["toolCallId"]}
    match tool["event"]:
        case "on_tool_start":
            return [_frame("tool_call", {**known, "name": tool["name"], "args": tool["input"]})]
        case "on_tool_end":
            output = tool["output"]
            content = output.get("content") if isinstance(output, dict) else output
            return [_frame("tool_result", {**known, "content": content})]
        case "on_tool_error":
            return [_frame("tool_result", {**known, "error": tool["error"]})]
        case _:
            return []


def _frame(name: str, data: Any) -> bytes:
    return b"event: " + name.encode() + b"\r\ndata: " + json.dumps(data) + b"\r\n\r\n"
