"""The thread protocol over a WebSocket: subscriptions and commands on one connection, and who may open one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api.waiting import SECONDS, until
from tests.api_requirements import requirement
from tests.processes import TRIAL_PROJECT, ServerProcess, running_server

START = {"assistant_id": "announcing", "input": {"messages": "go"}}


class Line:
    """One WebSocket as a client holds it: answers by their command's id, events in order."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []
        self._last_id = 0

    async def command(self, method: str, **params: Any) -> Any:
        self._last_id += 1
        await self.connection.send(json.dumps({"id": self._last_id, "method": method, "params": params}))
        while (message := await self._next()).get("id") != self._last_id or message["type"] == "event":
            self.events.append(message)
        return message

    async def until_end(self) -> list[Any]:
        """The events so far and on to the end of a run; they are not given again."""
        while not (self.events and _is_end(self.events[-1])):
            self.events.append(await self._next())
        seen, self.events = self.events, []
        return seen

    async def _next(self) -> Any:
        async with asyncio.timeout(SECONDS):
            return json.loads(await self.connection.recv())


def _is_end(event: Any) -> bool:
    return event["method"] == "lifecycle" and event["params"]["data"]["event"] in ("completed", "failed")


@asynccontextmanager
async def line(server: ServerProcess, thread_id: str, **options: Any) -> AsyncIterator[Line]:
    address = f"{server.url.replace('http', 'ws')}/threads/{thread_id}/stream/events"
    async with connect(address, **options) as connection:
        yield Line(connection)


@requirement("protocol.socket")
async def test_one_socket_carries_commands_answers_and_several_subscriptions(trial: ServerProcess) -> None:
    async with line(trial, str(uuid4())) as client:
        first = (await client.command("subscription.subscribe", channels=["lifecycle"]))["result"]["subscription_id"]
        started = await client.command("run.start", **START)
        assert started["meta"]["applied_through_seq"] > 0
        lifecycle = await client.until_end()
        assert [event["params"]["data"]["event"] for event in lifecycle] == ["running", "completed"]

        await client.command("subscription.subscribe", channels=["custom", "lifecycle"])
        seen = await client.until_end()  # a later subscription is shown what was before it
        assert [event["method"] for event in seen] == ["lifecycle", "custom", "custom", "lifecycle"]
        assert {lifecycle[0]["event_id"], lifecycle[1]["event_id"]} < {event["event_id"] for event in seen}

        assert (await client.command("subscription.unsubscribe", subscription_id=first))["result"] == {}
        gone = await client.command("subscription.unsubscribe", subscription_id=first)
        assert gone["error"] == "no_such_subscription"
        await client.command("run.start", **START)
        assert [event["method"] for event in await client.until_end()].count("lifecycle") == 2  # shown once each

        restored = await client.command("subscription.reconnect", run_id="x", last_event_id=seen[1]["event_id"])
        assert restored["result"] == {"restored": True}
        assert await client.until_end() == seen[2:]
        lost = await client.command("subscription.reconnect", run_id="x", subscriptions=[first])
        assert lost["result"] == {"restored": False}


@requirement("protocol.socket.refusals")
async def test_what_is_no_command_is_refused_and_the_socket_stays_open(trial: ServerProcess) -> None:
    async with line(trial, str(uuid4())) as client:
        for text in ("{", "[]", '{"id": 1}', '{"id": -1, "method": "x"}'):
            await client.connection.send(text)
            answer = json.loads(await client.connection.recv())
            assert (answer["type"], answer["id"], answer["error"]) == ("error", None, "invalid_argument")
        for method, params, code in (
            ("nonsense", {}, "unknown_command"),
            ("subscription.subscribe", {"channels": ["nonsense"]}, "invalid_argument"),
            ("subscription.subscribe", {}, "invalid_argument"),
            ("subscription.subscribe", {"channels": ["values"], "since": 10**15}, "resume_gap"),
            ("subscription.reconnect", {"last_event_id": "x"}, None),
            ("input.inject", {}, "not_supported"),
        ):
            assert (await client.command(method, **params)).get("error") == code


@requirement("protocol.socket.origin")
async def test_only_those_who_may_use_the_server_may_open_a_socket(trial: ServerProcess) -> None:
    thread_id = str(uuid4())
    port = int(trial.url.rpartition(":")[2])
    foreign = connect(f"ws://evil.example:{port}/threads/{thread_id}/stream/events", host="127.0.0.1", port=port)
    for attempt in (line(trial, thread_id, origin="https://evil.example"), foreign):
        with pytest.raises(InvalidStatus) as refused:
            async with attempt:
                pass
        assert refused.value.response.status_code == 403
    async with line(trial, thread_id, origin="http://localhost:3000") as client:
        assert "result" in await client.command("subscription.subscribe", channels=["values"])
    async with line(trial, "no-uuid") as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4422


@requirement("protocol.slow")
async def test_a_socket_that_takes_nothing_is_cut_and_its_run_is_not(tmp_path: Path) -> None:
    environment = {"SEND_TIMEOUT_SECONDS": "0.5"}
    with running_server(tmp_path / "data", config=TRIAL_PROJECT, environment=environment) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as raw:
            thread_id = str(uuid4())
            async with line(server, thread_id, close_timeout=0) as client:
                await client.command("subscription.subscribe", channels=["values", "updates", "tasks"])
                client.connection.transport.pause_reading()
                words = "w" * 8_000_000  # a frame alone is more than the kernel's buffers take
                given = {"messages": [{"role": "user", "content": words}]}
                start = {"id": 1, "method": "run.start", "params": {"assistant_id": "announcing", "input": given}}
                answer = await raw.post(f"/threads/{thread_id}/commands", json=start)
                run_id = answer.json()["result"]["run_id"]
                await raw.get(f"/threads/{thread_id}/runs/{run_id}/join")
                assert (await raw.get(f"/threads/{thread_id}/runs/{run_id}")).json()["status"] == "success"

                async def log() -> str:
                    return server.log

                await until(log, lambda text: "websocket_closed" in text)


@requirement("protocol.socket.stop")
async def test_a_server_that_stops_lets_go_of_its_sockets(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", config=TRIAL_PROJECT) as server:
        async with line(server, str(uuid4())) as client:
            await client.command("subscription.subscribe", channels=["values"])
            assert await asyncio.to_thread(server.stop) == 0
            with pytest.raises(ConnectionClosed) as closed:
                await client.connection.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
