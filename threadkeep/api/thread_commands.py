"""The thread protocol's commands: one JSON object in, one out, whether posted or sent over the WebSocket.

A command that is refused is answered in the protocol's own words (`error`, `message`), with HTTP status 200 as the
clients expect; only what no command could be, and a server that can do nothing now, is an HTTP error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AliasChoices, Field, ValidationError
from starlette.responses import Response

from threadkeep.api.errors import words_of
from threadkeep.api.examples import documented
from threadkeep.api.protocol_answers import Answer, OnThread, RefusedError, code_of, known_thread
from threadkeep.api.requests import CallerOf, EngineOf
from threadkeep.api.responses import Json
from threadkeep.api.routing import Route
from threadkeep.api.schemas import Body, MetadataOrNull, Object, ObjectOrNull, RunConfig, example
from threadkeep.api.state_commands import get_state, get_tree, list_checkpoints
from threadkeep.api.thread_events import watched_thread
from threadkeep.errors import BadRequestError, LimitedError, NotFoundError, ThreadkeepError, UnavailableError
from threadkeep.runs.accept import RunRequest
from threadkeep.runs.run import MultitaskStrategy
from threadkeep.storage.thread_rows import Thread
from threadkeep.streams.protocol import STREAM_MODES, first_sequence

router = APIRouter(tags=["Thread protocol"], route_class=Route)

_STARTING = frozenset({"run.start", "input.respond", "state.fork"})


class CommandEnvelope(Body):
    id: int = Field(ge=0, description="Comes back with the answer")
    method: str
    params: ObjectOrNull = Field(default_factory=dict)

    model_config = example(
        {
            "id": 1,
            "method": "run.start",
            "params": {"assistant_id": "react", "input": {"messages": [{"role": "user", "content": "what is 2*21?"}]}},
        }
    )


class StartParams(Body):
    assistant_id: str
    input: Any = None
    config: RunConfig = Field(default_factory=dict)
    metadata: MetadataOrNull = Field(default_factory=dict)
    context: Object | None = None
    multitask_strategy: Annotated[
        MultitaskStrategy | None, Field(validation_alias=AliasChoices("multitask_strategy", "multitaskStrategy"))
    ] = None


class InterruptAnswer(Body):
    interrupt_id: str
    response: Any = None


class RespondParams(Body):
    interrupt_id: str | None = None
    response: Any = None
    responses: list[InterruptAnswer] | None = Field(None, min_length=1)
    update: Any = None
    goto: Any = None
    config: RunConfig = Field(default_factory=dict)
    metadata: MetadataOrNull = Field(default_factory=dict)

    def answers(self) -> dict[str, Any]:
        """Each answer by its interrupt's id; `BadRequestError` when there is none."""
        if self.responses:
            return {item.interrupt_id: item.response for item in self.responses}
        if self.interrupt_id is None:
            raise BadRequestError("input.respond needs interrupt_id and response, or responses.")
        return {self.interrupt_id: self.response}


class ForkParams(Body):
    checkpoint_id: str
    input: Any = None
    config: RunConfig = Field(default_factory=dict)


@router.post(
    "/threads/{thread_id}/commands",
    responses=documented(
        {"type": "success", "id": 1, "result": {"run_id": "01a206e0-..."}, "meta": {"applied_through_seq": 7000000000}}
    ),
)
async def post_command(thread_id: str, body: CommandEnvelope, engine: EngineOf, caller: CallerOf) -> Response:
    """run.start, input.respond, agent.getTree, state.get, state.listCheckpoints, state.fork."""
    thread_id = await watched_thread(engine, thread_id, caller)
    return Json(await answer_command(OnThread(engine, caller, thread_id), body))


async def answer_command(on: OnThread, command: CommandEnvelope) -> dict[str, Any]:
    """The answer, whatever the client did wrong; `UnavailableError` and `LimitedError` are raised: come again later."""
    try:
        handler = _HANDLERS.get(command.method)
        if handler is None:
            raise RefusedError("unknown_command", f"{command.method!r} does not exist; use {', '.join(_HANDLERS)}.")
        answer = await handler(*await _allowed(on, command))
    except (UnavailableError, LimitedError):
        raise
    except ValidationError as error:
        return refusal(command.id, "invalid_argument", words_of(error.errors()))
    except ThreadkeepError as error:
        return refusal(command.id, code_of(error), str(error))
    return success(command.id, answer)


async def _allowed(on: OnThread, command: CommandEnvelope) -> tuple[OnThread, dict[str, Any]]:
    """The same place and parameters as the gate allows this command; reading the thread was allowed before."""
    if command.method not in _STARTING:
        return on, command.params
    value = {"metadata": {}, **command.params, "thread_id": on.thread_id}
    caller = await on.engine.gate.allow(on.caller, "threads", "create_run", value)
    return replace(on, caller=caller), {**command.params, "metadata": value["metadata"]}


def success(command_id: int, answer: Answer) -> dict[str, Any]:
    shown = {"type": "success", "id": command_id, "result": answer.result}
    if answer.applied_through_seq is None:
        return shown
    return {**shown, "meta": {"applied_through_seq": answer.applied_through_seq}}


def refusal(command_id: int | None, code: str, message: str) -> dict[str, Any]:
    return {"type": "error", "id": command_id, "error": code, "message": message}


async def start_run(on: OnThread, params: dict[str, Any]) -> Answer:
    """A run with this input; on a thread that waits for an answer, the input is the answer, as the protocol has it."""
    asked = StartParams.model_validate(params)
    thread = await known_thread(on)
    forks = (asked.config.get("configurable") or {}).get("checkpoint_id") is not None
    resumes = thread is not None and bool(_pending(thread)) and asked.input is not None and not forks
    return await _started(
        on,
        RunRequest(
            assistant_id=asked.assistant_id,
            input=None if resumes else asked.input,
            command={"resume": asked.input} if resumes else None,
            config=asked.config,
            metadata=asked.metadata,
            context=asked.context,
            multitask_strategy=asked.multitask_strategy or "enqueue",
        ),
    )


async def respond(on: OnThread, params: dict[str, Any]) -> Answer:
    asked = RespondParams.model_validate(params)
    answers = asked.answers()
    thread = await known_thread(on)
    waiting = _pending(thread) if thread is not None else frozenset()
    if unknown := [name for name in answers if name not in waiting]:
        raise RefusedError("no_such_interrupt", f"The thread does not wait for an answer to {', '.join(unknown)}.")
    assert thread is not None
    command = {"resume": answers, "update": asked.update, "goto": asked.goto}
    return await _started(
        on,
        RunRequest(
            assistant_id=_assistant_of(thread),
            command={key: value for key, value in command.items() if value is not None},
            config=asked.config,
            metadata=asked.metadata,
        ),
    )


async def fork(on: OnThread, params: dict[str, Any]) -> Answer:
    """A run from an older checkpoint of the thread."""
    asked = ForkParams.model_validate(params)
    thread = await known_thread(on)
    if thread is None:
        raise RefusedError("no_such_checkpoint", f"Thread {on.thread_id} not found")
    request = RunRequest(
        assistant_id=_assistant_of(thread),
        input=asked.input,
        config=asked.config,
        checkpoint={"checkpoint_id": asked.checkpoint_id},
    )
    try:
        return await _started(on, request)
    except NotFoundError as error:
        raise RefusedError("no_such_checkpoint", str(error)) from error


async def inject(_on: OnThread, _params: dict[str, Any]) -> Answer:
    raise RefusedError(
        "not_supported", "LangGraph cannot take a message into a running step; start a run, which waits for its turn."
    )


async def subscribe_elsewhere(_on: OnThread, _params: dict[str, Any]) -> Answer:
    raise RefusedError(
        "not_supported", "Subscriptions belong to a WebSocket; over HTTP each POST to stream/events is one of its own."
    )


async def _started(on: OnThread, request: RunRequest) -> Answer:
    request = RunRequest(
        **{
            **{name: getattr(request, name) for name in RunRequest.__slots__},
            "stream_mode": list(STREAM_MODES),
            "stream_subgraphs": True,
            "stream_resumable": True,
            "if_not_exists": "create",
        }
    )
    accepted = await on.engine.acceptance.accept(request, on.caller, thread_id=on.thread_id)
    sequence = await on.engine.queue.sequence(accepted.run.run_id) or 0
    return Answer({"run_id": accepted.run.run_id, "thread_id": on.thread_id}, first_sequence(sequence))


def _pending(thread: Thread) -> frozenset[str]:
    """Ids of the interrupts that the thread waits for; none while a run may be answering them."""
    if thread.status != "interrupted":
        return frozenset()
    return frozenset(item["id"] for found in thread.interrupts.values() for item in found)


def _assistant_of(thread: Thread) -> str:
    """Whose run stopped there: commands on a thread that has run do not say it again."""
    named = thread.metadata.get("assistant_id") or thread.graph_id
    if not isinstance(named, str):
        raise BadRequestError("Nothing has run on this thread yet; begin with run.start.")
    return named


_HANDLERS: dict[str, Callable[[OnThread, dict[str, Any]], Awaitable[Answer]]] = {
    "run.start": start_run,
    "input.respond": respond,
    "input.inject": inject,
    "agent.getTree": get_tree,
    "state.get": get_state,
    "state.listCheckpoints": list_checkpoints,
    "state.fork": fork,
    "subscription.subscribe": subscribe_elsewhere,
    "subscription.unsubscribe": subscribe_elsewhere,
    "subscription.reconnect": subscribe_elsewhere,
}
