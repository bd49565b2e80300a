"""The thread protocol's WebSocket asks who is there as every other door does."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.auth.conftest import People, new_key
from tests.processes import run_to_end


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
        assert (answer["error"], "may only read" in answer["message"]) == ("permission_denied", True)
    assert people.reader.post(f"/threads/{thread_id}/commands", json=start).json()["error"] == "permission_denied"


def test_a_revoked_key_commands_nothing_more_on_an_open_socket(people: People) -> None:
    data = people.server.data_dir
    key = new_key(data, "cleo")
    start = {"id": 1, "method": "run.start", "params": {"assistant_id": "whoami", "input": {}}}
    with connect(address(people, str(uuid4())), additional_headers={"x-api-key": key}) as socket:
        socket.send(json.dumps(start))
        assert json.loads(socket.recv(timeout=20))["type"] == "success"
        listed = run_to_end("keys", "list", "--data", str(data)).stdout
        (key_id,) = [line.split()[0] for line in listed.splitlines() if "cleo" in line]
        assert run_to_end("keys", "revoke", key_id, "--data", str(data)).returncode == 0
        socket.send(json.dumps(start))
        assert json.loads(socket.recv(timeout=20))["error"] == "permission_denied"
