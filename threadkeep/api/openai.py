"""Every assistant as a model of an OpenAI-compatible server, for clients that speak nothing else.

Such clients send the whole conversation each time, and that is what a run gets, on a thread that goes with it. With
`X-Thread-Id` or `user` the conversation is a thread here: only what is new is added to it, and when the graph has
asked something, the next message is the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.responses import Response

from threadkeep import json
from threadkeep.api.answers import answer_of, text_of
from threadkeep.api.chat import answer_to, check_graph, new_thread, thread_of
from threadkeep.api.openai_wire import ChatCompletion, Chunks, completion, error_wire, frame, model_wire
from threadkeep.api.requests import CallerOf, EngineOf, uuid_of
from threadkeep.api.responses import Json, cancelling, final_values, long_response, until_stopping
from threadkeep.api.routing import Route
from threadkeep.api.schemas import Object
from threadkeep.api.users import person
from threadkeep.callers import Caller
from threadkeep.engine import Engine
from threadkeep.errors import InvalidError, NotFoundError
from threadkeep.runs.accept import AcceptedRun, RunRequest
from threadkeep.storage.assistants import Assistant, AssistantQuery
from threadkeep.storage.thread_rows import Thread
from threadkeep.streams.sse import EVENT_STREAM, HEARTBEAT

router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=Route)

_ALL = 10_000


@router.get("/models")
async def list_models(engine: EngineOf, caller: CallerOf) -> Response:
    """The assistants whose graph takes messages: system ones by their graph's name, others by their id."""
    found, _ = await engine.assistants.search(AssistantQuery(limit=_ALL, descending=False), caller)
    # Gathered, because a factory may fail without a run's configuration: then its graph is no model, the rest are.
    chatting = await asyncio.gather(*(_takes_messages(engine, one) for one in found), return_exceptions=True)
    models = [_model(assistant) for assistant, chats in zip(found, chatting, strict=True) if chats is True]
    return Json({"object": "list", "data": models})


@router.get("/models/{model}")
async def get_model(model: str, engine: EngineOf, caller: CallerOf) -> Response:
    return Json(_model(await _assistant(engine, model, caller)))


@router.post("/chat/completions")
async def complete_chat(
    body: ChatCompletion,
    engine: EngineOf,
    caller: CallerOf,
    x_thread_id: Annotated[str | None, Header(description="The thread to go on with; made if it is not there")] = None,
) -> Response:
    if body.user is not None:
        caller, _ = person(caller, body.user)
    assistant = await _assistant(engine, body.model, caller)
    thread_id, thread = await _thread(engine, body, assistant, caller, x_thread_id)
    given = {"messages": body.messages if thread is None else body.new_messages()}
    if not given["messages"]:
        raise InvalidError("messages: the last one must not be the assistant's, for there is nothing to answer.")
    request = RunRequest(
        assistant_id=assistant.assistant_id,
        input=given,
        command=None if thread is None else answer_to(thread, text_of(given["messages"][-1]["content"])),
        stream_mode=["messages-tuple"],
        stream_subgraphs=bool(body.stream),  # an agent inside another speaks token by token, too
        user_id=body.user,
        if_not_exists="create",
        on_disconnect="cancel" if body.stream else "continue",
    )
    accepted = await engine.acceptance.accept(request, caller, thread_id=thread_id, listen=bool(body.stream))
    headers = {} if thread_id is None else {"x-thread-id": thread_id}
    if body.stream:
        chunks = cancelling(engine, accepted.run, _chunks(engine, body, accepted))
        return long_response(engine, chunks, media_type=EVENT_STREAM, heartbeat=HEARTBEAT, headers=headers)
    text, usage, problem = await _ended(engine, accepted)
    if problem is not None:
        return Json({"error": error_wire(problem, 502)}, 502, headers={**headers, "x-should-retry": "false"})
    return Json(completion(accepted.run, body.model, _created(accepted), text, usage), headers=headers)


async def _chunks(engine: Engine, body: ChatCompletion, accepted: AcceptedRun) -> AsyncGenerator[bytes, None]:
    chunks = Chunks(accepted.run, body.model, _created(accepted))
    yield chunks.begin()
    assert accepted.events is not None
    async for events in until_stopping(accepted.events):
        frames = [chunks.of(json.loads(event.data)[0]) for event in events if event.name.startswith("messages")]
        if any(frames):
            yield b"".join(frames)
    text, usage, problem = await _ended(engine, accepted)
    if problem is not None:
        yield frame({"error": error_wire(problem, 502)})
        return
    wanted = body.stream_options is not None and body.stream_options.include_usage
    yield chunks.end(text, usage if wanted else None)


async def _ended(engine: Engine, accepted: AcceptedRun) -> tuple[str | None, Object, str | None]:
    """The answer (or what the graph asks), the tokens used, and what went wrong, if it did."""
    stream = accepted.stream
    assert stream is not None
    values = json.to_jsonable(await final_values(engine, accepted.run, stream))
    usage = stream.outcome.get("usage", {})
    if stream.outcome.get("status") == "interrupted":
        return None, usage, "The run was cancelled."
    if isinstance(values, dict) and "__error__" in values:
        return None, usage, f"The run failed: {values['__error__']['message']}"
    if isinstance(values, dict) and values.get("__interrupt__"):
        return "\n\n".join(_question(item["value"]) for item in values["__interrupt__"]), usage, None
    return answer_of(values), usage, None


def _question(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps_text(value)


async def _assistant(engine: Engine, model: str, caller: Caller) -> Assistant:
    assistant = await engine.acceptance.assistant(model, caller)
    if not await _takes_messages(engine, assistant):
        raise NotFoundError(f"The graph {assistant.graph_id!r} takes no messages, so it cannot be chatted with.")
    return assistant


async def _takes_messages(engine: Engine, assistant: Assistant) -> bool:
    if assistant.graph_id not in engine.graphs.ids:
        return False
    async with engine.graphs.bound(assistant.graph_id, assistant.config, access="assistants.read") as graph:
        return "messages" in graph.channels


async def _thread(
    engine: Engine, body: ChatCompletion, assistant: Assistant, caller: Caller, named: str | None
) -> tuple[str | None, Thread | None]:
    """The id of the thread to run on, if the client wants one, and the thread, if there is one that has begun."""
    if named is not None:
        thread_id = uuid_of("thread", named)
        try:
            await engine.threads.get(thread_id, caller)
        except NotFoundError:
            return thread_id, None
        thread = await thread_of(engine, thread_id, body.user, caller)
        check_graph(thread, assistant.graph_id)
        return thread_id, thread if thread.graph_id is not None else None
    if body.user is None:
        return None, None
    fresh = await new_thread(engine, caller, graph_id=assistant.graph_id, user_id=body.user)
    current = await engine.threads.make_current(fresh, replace=False)
    return current, None if current == fresh.thread_id else await engine.threads.get(current, caller)


def _model(assistant: Assistant) -> Object:
    model = assistant.graph_id if assistant.is_system else assistant.assistant_id
    created = int(datetime.fromisoformat(assistant.created_at).timestamp())
    return model_wire(model, created, assistant.name, assistant.description)


def _created(accepted: AcceptedRun) -> int:
    return int(datetime.fromisoformat(accepted.run.created_at).timestamp())
