"""The thread protocol over one WebSocket: commands in, answers and events out.

Every subscription follows the thread by itself, so each is replayed from its own beginning; a client that has several
sees an event once for each of them and knows it by its id. All of them write into one short queue: a client that takes
nothing holds up only himself, and is cut after a while.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import Field, ValidationError

from threadkeep import json
from threadkeep.api.auth import COUNTED, watcher_of
from threadkeep.api.bodies import loads, reading
from threadkeep.api.errors import status_of, words_of
from threadkeep.api.protocol_answers import Answer, OnThread, RefusedError, code_of
from threadkeep.api.requests import EngineOf
from threadkeep.api.schemas import Body
from threadkeep.api.thread_commands import CommandEnvelope, answer_command, refusal, success
from threadkeep.api.thread_events import (
    EventStreamRequest,
    ResumeGapError,
    gap_message,
    require_kept,
    thread_events,
    watched_thread,
)
from threadkeep.errors import InvalidError, ThreadkeepError
from threadkeep.streams.protocol import ProtocolEvent
from threadkeep.streams.sse import StreamCutError

router = APIRouter()
log = structlog.get_logger("threadkeep.http")

_AHEAD = 32
_COMES_BACK = 1012
"""Close code: the service restarts, or this reader was too slow; both kinds of client connect again."""
_STATUS_CODES = 4000
"""Close codes from here on are an HTTP status, which a browser could not read off a refused handshake."""


class UnsubscribeParams(Body):
    subscription_id: str


class ReconnectParams(Body):
    run_id: str | None = None
    last_event_id: str | None = Field(None, max_length=200)
    subscriptions: list[str] | None = None


@router.websocket("/threads/{thread_id}/stream/events")
async def thread_socket(socket: WebSocket, thread_id: str, engine: EngineOf) -> None:
    await socket.accept()
    try:
        caller = await watcher_of(socket)
        thread_id = await watched_thread(engine, thread_id, caller)
    except ThreadkeepError as error:
        await socket.close(_STATUS_CODES + status_of(error), str(error)[:120])
        return
    log.info("websocket_opened", path=socket.url.path)
    try:
        with engine.metrics.reader("websocket"):
            await _Session(socket, OnThread(engine, caller, thread_id)).serve()
    finally:
        log.info("websocket_closed", path=socket.url.path)


class _Session:
    def __init__(self, socket: WebSocket, on: OnThread) -> None:
        self._socket = socket
        self._on = on
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue(_AHEAD)
        self._subscriptions: dict[str, tuple[EventStreamRequest, asyncio.Task[None]]] = {}
        self._cut = asyncio.Event()

    async def serve(self) -> None:
        """Until the client goes, the server stops, or the client has taken nothing for too long."""
        parts = [
            asyncio.create_task(self._receive()),
            asyncio.create_task(self._send()),
            asyncio.create_task(self._cut.wait()),
            asyncio.create_task(self._on.engine.stopping.wait()),
        ]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            every = [*parts, *(task for _, task in self._subscriptions.values())]
            for task in every:
                task.cancel()
            await asyncio.gather(*every, return_exceptions=True)
        if parts[0] in done:
            parts[0].result()
            return
        if parts[1] in done:
            parts[1].result()  # a client that has gone, or StreamCutError for one that takes nothing
        await self._socket.close(_COMES_BACK)

    async def _receive(self) -> None:
        while True:
            try:
                text = await self._socket.receive_text()
            except (WebSocketDisconnect, KeyError):  # gone, or sending bytes, which no command is
                return
            await self._command(text)

    async def _send(self) -> None:
        while True:
            message = await self._outgoing.get()
            try:
                async with asyncio.timeout(self._on.engine.settings.send_timeout_seconds):
                    await self._socket.send_text(message.decode())
            except TimeoutError:
                self._on.engine.metrics.reader_dropped("slow")
                raise StreamCutError("slow") from None
            except WebSocketDisconnect:
                return

    async def _say(self, message: dict[str, Any]) -> None:
        await self._outgoing.put(json.dumps(message))

    async def _command(self, text: str) -> None:
        try:
            command = await reading(text, lambda sent: CommandEnvelope.model_validate(loads(sent)))
        except ValidationError as error:
            await self._say(refusal(None, "invalid_argument", words_of(error.errors())))
            return
        except InvalidError as error:
            await self._say(refusal(None, code_of(error), str(error)))
            return
        except ValueError as error:
            await self._say(refusal(None, "invalid_argument", f"The command is not valid JSON: {error}"))
            return
        try:
            await self._socket.scope[COUNTED]()
            await self._on.engine.gate.identify(self._socket)  # a key may have been revoked meanwhile
            match command.method:
                case "subscription.subscribe":
                    await self._subscribe(command)
                case "subscription.unsubscribe":
                    await self._unsubscribe(command)
                case "subscription.reconnect":
                    await self._reconnect(command)
                case _:
                    await self._say(await answer_command(self._on, command))
        except ValidationError as error:
            await self._say(refusal(command.id, "invalid_argument", words_of(error.errors())))
        except ResumeGapError as error:
            await self._say(gap_message(error, command.id))
        except ThreadkeepError as error:
            await self._say(refusal(command.id, code_of(error), str(error)))

    async def _subscribe(self, command: CommandEnvelope) -> None:
        asked = EventStreamRequest.model_validate(command.params)
        asked.subscription()
        await require_kept(self._on.engine, self._on.thread_id, self._on.caller, asked.since or None)
        name = str(uuid4())
        await self._say(success(command.id, Answer({"subscription_id": name})))
        self._follow(name, asked)

    async def _unsubscribe(self, command: CommandEnvelope) -> None:
        name = UnsubscribeParams.model_validate(command.params).subscription_id
        if name not in self._subscriptions:
            raise RefusedError("no_such_subscription", f"There is no subscription {name} on this WebSocket.")
        await self._leave(name)
        await self._say(success(command.id, Answer({})))

    async def _reconnect(self, command: CommandEnvelope) -> None:
        """Subscriptions of this WebSocket begin again after an event; those of one that was closed went with it."""
        asked = ReconnectParams.model_validate(command.params)
        names = list(self._subscriptions) if asked.subscriptions is None else asked.subscriptions
        restored = bool(names) and all(name in self._subscriptions for name in names)
        if restored:
            since = _sequence_of(asked.last_event_id)
            await require_kept(self._on.engine, self._on.thread_id, self._on.caller, since)
            again = {name: self._subscriptions[name][0].model_copy(update={"since": since}) for name in names}
            for name in names:
                await self._leave(name)
            for name, request in again.items():
                self._follow(name, request)
        await self._say(success(command.id, Answer({"restored": restored})))

    def _follow(self, name: str, asked: EventStreamRequest) -> None:
        self._subscriptions[name] = asked, asyncio.create_task(self._pump(asked))

    async def _leave(self, name: str) -> None:
        _, task = self._subscriptions.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _pump(self, asked: EventStreamRequest) -> None:
        on = self._on
        try:
            events = thread_events(on.engine, on.thread_id, on.caller, asked.subscription(), _message)
            async with aclosing(events):
                async for message in events:
                    await self._outgoing.put(message)
        except ResumeGapError as error:
            await self._say(gap_message(error, None))
        except StreamCutError:
            self._cut.set()


def _message(event: ProtocolEvent) -> bytes:
    return event.encode()


def _sequence_of(event_id: str | None) -> int | None:
    """The number in an event's id; `InvalidError` when it is none of ours."""
    if event_id is None:
        return None
    number = event_id.rpartition(":")[2].partition(".")[0]
    if not (number.isascii() and number.isdecimal()) or len(number) > 18:
        raise RefusedError("invalid_argument", f"last_event_id must be an id this server sent, not {event_id[:40]!r}")
    return int(number) or None
