"""Talking to a running server over HTTP, as the tests in this folder do it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Frame:
    """One event of an SSE stream."""

    event: str
    data: Any


def chat(client: httpx.Client, message: str, **fields: Any) -> dict[str, Any]:
    """The answer of one turn, which must succeed."""
    reply = client.post("/chat", json={"message": message, **fields})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def new_thread(client: httpx.Client, **fields: Any) -> str:
    reply = client.post("/threads", json=fields)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["thread_id"])


def said(client: httpx.Client, thread_id: str) -> list[tuple[str, str]]:
    """A thread's messages as (type, text), from its state."""
    state = client.get(f"/threads/{thread_id}/state").json()
    return [(message["type"], message["content"]) for message in state["values"].get("messages", [])]


def frames(response: httpx.Response) -> Iterator[Frame]:
    """The events of a stream as they arrive."""
    event = ""
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            yield Frame(event, json.loads(value))


def wait_until(condition: Callable[[], bool], *, what: str) -> None:
    """Ask again and again, for events that no interface announces; fails after `WAIT_SECONDS`."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {WAIT_SECONDS} s in vain for {what}"
        time.sleep(0.02)


def run_of(client: httpx.Client, thread_id: str, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/threads/{thread_id}/runs/{run_id}").json()
    return found
