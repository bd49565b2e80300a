"""The short way into an endpoint answers as FastAPI's own way does, and is taken where most requests go."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import APIRoute

from threadkeep.api import direct, runs, threads

HOT = ("/threads", "/threads/{thread_id}/runs/wait", "/threads/{thread_id}/runs/stream", "/threads/{thread_id}/runs")
WAIT: dict[str, Any] = {"assistant_id": "echo", "input": {"messages": "hi"}}


@pytest.mark.parametrize("path", HOT)
def test_what_makes_threads_and_runs_takes_the_short_way(path: str) -> None:
    [app] = [
        route.app
        for route in (*threads.router.routes, *runs.router.routes)
        if isinstance(route, APIRoute) and route.path == path and "POST" in route.methods
    ]
    assert app.__module__ == direct.__name__  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "Field required"),
        (b"{", 422, "not valid JSON"),
        (b"[]", 422, "valid dictionary"),
        (b"\xff", 400, "error parsing the body"),
        (b'{"assistant_id": 1}', 422, "assistant_id"),
    ],
)
async def test_a_body_that_does_not_fit_is_refused_in_fastapis_words(
    raw: httpx.AsyncClient, body: bytes, status: int, words: str
) -> None:
    answer = await raw.post("/runs/wait", content=body)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


async def test_a_header_that_is_asked_for_counts(raw: httpx.AsyncClient) -> None:
    path = f"/threads/{(await raw.post('/threads', json={})).json()['thread_id']}/runs/wait"
    key = {"idempotency-key": uuid4().hex}
    keyed = [await raw.post(path, json=WAIT, headers=key) for _ in range(2)]
    assert keyed[0].headers["location"] == keyed[1].headers["location"]
    assert (await raw.post(path, json=WAIT)).headers["location"] != keyed[0].headers["location"]
    refused = await raw.post("/runs/wait", json=WAIT, headers={"idempotency-key": "x" * 256})
    assert refused.status_code == 422
