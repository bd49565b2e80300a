"""The thread protocol where people log in: who may watch, who may start, and for how long."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.auth.conftest import People, new_key
from tests.processes import run_to_end

START = {"assistant_id": "whoami", "input": {}}


def socket_to(people: People, thread_id: str, key: str | None) -> connect:
    address = f"{people.server.url.replace('http', 'ws')}/threads/{thread_id}/stream/events"
    return connect(address, additional_headers={} if key is None else {"x-api-key": key})


async def command(connection: Any, method: str, params: dict[str, Any]) -> Any:
    await connection.send(json.dumps({"id": 1, "method": method, "params": params}))
    async with asyncio.timeout(20):
        while (message := json.loads(await connection.recv())).get("id") != 1:
            pass
    return message


async def test_a_websocket_needs_a_key_and_shows_only_what_is_its_owners(people: People) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with socket_to(people, str(uuid4()), None):
            pass
    assert refused.value.response.status_code == 403
    thread_id = people.ada.post("/threads", json={}).json()["thread_id"]
    async with socket_to(people, thread_id, people.keys["bob"]) as foreign:
        with pytest.raises(ConnectionClosed) as closed:
            await foreign.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4404
    async with socket_to(people, thread_id, people.keys["ada"]) as own:
        assert (await command(own, "run.start", START))["type"] == "success"


async def test_who_may_only_read_starts_nothing(people: People) -> None:
    thread_id = people.ada.post("/threads", json={}).json()["thread_id"]
    async with socket_to(people, thread_id, people.keys["reader"]) as reader:
        assert (await command(reader, "subscription.subscribe", {"channels": ["values"]}))["type"] == "success"
        assert (await command(reader, "run.start", START))["error"] == "permission_denied"
    body = {"id": 1, "method": "run.start", "params": START}
    assert people.reader.post(f"/threads/{thread_id}/commands", json=body).json()["error"] == "permission_denied"
    assert people.ada.get(f"/threads/{thread_id}/runs").json() == []


async def test_a_revoked_key_commands_nothing_more_on_an_open_websocket(people: People) -> None:
    data = people.server.data_dir
    key = await asyncio.to_thread(new_key, data, "cleo")
    async with socket_to(people, str(uuid4()), key) as connection:
        assert (await command(connection, "run.start", START))["type"] == "success"
        listed = await asyncio.to_thread(run_to_end, "keys", "list", "--data", str(data))
        (line,) = [line for line in listed.stdout.splitlines() if "cleo" in line]
        await asyncio.to_thread(run_to_end, "keys", "revoke", line.split()[0], "--data", str(data))
        assert (await command(connection, "run.start", START))["error"] == "permission_denied"
