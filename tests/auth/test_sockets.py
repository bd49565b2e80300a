"""The thread protocol's WebSocket asks who is there as every other door does."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.auth.conftest import People


def address(people: People, thread_id: str) -> str:
    return f"{people.server.url.replace('http', 'ws', 1)}/threads/{thread_id}/stream/events"


def test_without_a_key_the_handshake_is_refused(people: People) -> None:
    thread_id = people.ada.post("/threads", json={}).json()["thread_id"]
    with pytest.raises(InvalidStatus) as refused, connect(address(people, thread_id)):
        pass
    assert refused.value.response.status_code == 403


def test_anothers_thread_is_not_there_and_ones_own_takes_commands(people: People) -> None:
    thread_id = people.ada.post("/threads", json={}).json()["thread_id"]
    start = {"id": 1, "method": "run.start", "params": {"assistant_id": "whoami", "input": {"note": "by socket"}}}
    bobs = {"x-api-key": people.keys["bob"]}
    with connect(address(people, thread_id), additional_headers=bobs) as socket, pytest.raises(ConnectionClosed) as cut:
        socket.recv(timeout=20)
    assert cut.value.rcvd is not None
    assert cut.value.rcvd.code == 4404
    with connect(address(people, thread_id), additional_headers={"x-api-key": people.keys["ada"]}) as socket:
        socket.send(json.dumps(start))
        answer = json.loads(socket.recv(timeout=20))
        assert answer["type"] == "success", answer
    readers = {"x-api-key": people.keys["reader"]}
    with connect(address(people, thread_id), additional_headers=readers) as socket:
        socket.send(json.dumps(start))
        answer = json.loads(socket.recv(timeout=20))
        assert (answer["type"], "may only read" in answer["message"]) == ("error", True)
