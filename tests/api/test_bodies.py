"""What cannot be kept as it was said is refused at the door, by whichever way it comes in, and nobody else notices."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.processes import ServerProcess

LONG = "9" * 400
THREAD = "7d1a2c7e-0000-4000-8000-00000000b0d1"
DEEP = "[" * 201 + "]" * 201
NO_END = "[" * 100_000

BODIES = {
    "/threads": '{"metadata": {"a": %s}}',
    "/threads/search": '{"metadata": {"a": %s}}',
    "/assistants": '{"graph_id": "echo", "metadata": {"a": %s}}',
    "/assistants/search": '{"metadata": {"a": %s}}',
    "/runs": '{"assistant_id": "echo", "after_seconds": 9, "input": {"arg": %s}}',
    "/runs/wait": '{"assistant_id": "echo", "input": {"messages": "hi"}, "context": {"a": %s}}',
    "/runs/stream": '{"assistant_id": "echo", "input": {"messages": "hi"}, "config": {"configurable": {"a": %s}}}',
    "/runs/batch": '[{"assistant_id": "echo", "input": {"messages": "hi"}, "metadata": {"a": %s}}]',
    "/runs/crons": '{"assistant_id": "echo", "schedule": "* * * * *", "input": {"arg": %s}}',
    "/store/items/search": '{"namespace_prefix": ["a"], "filter": {"a": %s}}',
    "/v1/chat/completions": '{"model": "echo", "messages": [{"role": "user", "content": "hi", "a": %s}]}',
    "/mcp": '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {"a": %s}}}',
    "/chat": '{"message": "hi", "context": {"a": %s}}',
    f"/threads/{THREAD}/commands": '{"id": 1, "method": "run.start", "params": {"input": %s}}',
    f"/threads/{THREAD}/state": '{"values": {"a": %s}}',
}


UNKEPT = {
    LONG: "cannot be kept as it is",
    str(2**64): "must be from -9223372036854775808 to 18446744073709551615",
    str(-(2**63) - 1): "-9223372036854775809",
    "1e400": "too large to be kept",
    DEEP: "nested more than 200 levels deep",
    NO_END: "nested more than 200 levels deep",
    '{"a":' * 100_000: "nested more than 200 levels deep",
}


@pytest.mark.parametrize("path", BODIES)
async def test_what_cannot_be_kept_is_refused_in_words(raw: httpx.AsyncClient, path: str) -> None:
    for value, words in UNKEPT.items():
        body = (BODIES[path] % value).encode()
        for headers in ({}, {"idempotency-key": uuid4().hex}):
            answer = await raw.post(path, content=body, headers=headers)
            assert (answer.status_code, words in answer.text) == (422, True), (value[:50], answer.text[:300])


async def test_a_websocket_command_is_refused_in_the_same_words_and_the_next_is_answered(trial: ServerProcess) -> None:
    address = f"{trial.url.replace('http', 'ws')}/threads/{uuid4()}/stream/events"
    async with connect(address) as line:
        for value, words in ((LONG, "cannot be kept"), (NO_END, "levels deep"), ("{", "is not valid JSON")):
            await line.send(f'{{"id": 1, "method": "run.start", "params": {{"input": {value}}}}}')
            refused = json.loads(await line.recv())
            assert (refused["error"], words in refused["message"]) == ("invalid_argument", True), refused
        await line.send('{"id": 2, "method": "subscription.subscribe", "params": {"channels": ["values"]}}')
        assert json.loads(await line.recv())["type"] == "success"


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63), 1.5e308, 2**53 + 1, True, "9" * 400], ids=repr)
async def test_what_can_be_kept_comes_back_as_it_was(raw: httpx.AsyncClient, value: Any) -> None:
    mark = uuid4().hex
    made = (await raw.post("/threads", json={"metadata": {"a": value, "mark": mark}})).json()
    [found] = (await raw.post("/threads/search", json={"metadata": {"a": value, "mark": mark}})).json()
    assert found["thread_id"] == made["thread_id"]
    assert (repr(made["metadata"]["a"]), repr(found["metadata"]["a"])) == (repr(value), repr(value))


async def test_nesting_up_to_the_limit_is_taken_and_no_number_stays_none(raw: httpx.AsyncClient) -> None:
    body = '{"assistant_id": "echo", "input": {"messages": "hi", "arg": [NaN, %s]}}' % ("[" * 196 + "]" * 196)
    answer = await raw.post("/runs/wait", content=body.encode())
    assert answer.status_code == 200, answer.text
    assert answer.json()["messages"][-1]["content"] == "echo: hi"


@pytest.mark.parametrize(
    "value", ["[" + "[]," * 250_000 + "1]", "[" + "1," * 1_000_000 + "1]"], ids=["arrays", "numbers"]
)
async def test_more_values_than_can_be_looked_at_are_refused(raw: httpx.AsyncClient, value: str) -> None:
    answer = await raw.post("/runs", content=(BODIES["/runs"] % value).encode())
    assert (answer.status_code, "holds too much" in answer.text) == (422, True), answer.text[:300]


async def test_brackets_and_commas_in_a_text_are_no_values(raw: httpx.AsyncClient) -> None:
    text = r"a \"[\\, " * 1_200_000
    body = {"assistant_id": "echo", "input": {"messages": "hi", "arg": text}}
    assert (await raw.post("/runs/wait", json=body)).status_code == 200


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("[" + "[]," * 10_000 + "1]", "metadata: holds more than 10000 values"),
        ("[" * 64 + "1" + "]" * 64, "metadata: is nested more than 64 levels deep"),
        ('"' + "x" * 1_000_000 + '"', "metadata: is larger than 1000000 bytes"),
    ],
    ids=["values", "levels", "bytes"],
)
async def test_metadata_that_is_too_much_to_be_found_by_is_refused(
    raw: httpx.AsyncClient, value: str, words: str
) -> None:
    for path in ("/threads", "/threads/search", "/assistants", "/assistants/search", "/runs/crons"):
        answer = await raw.post(path, content=(BODIES[path].replace('"input"', '"metadata"') % value).encode())
        assert (answer.status_code, answer.json()["detail"]) == (422, words)


async def test_metadata_is_as_much_when_it_comes_in_parts(raw: httpx.AsyncClient) -> None:
    thread_id = (await raw.post("/threads", json={"metadata": {"a": list(range(6_000))}})).json()["thread_id"]
    answer = await raw.patch(f"/threads/{thread_id}", json={"metadata": {"b": list(range(6_000))}})
    assert (answer.status_code, "with what is there already" in answer.json()["detail"]) == (422, True)
    assert (await raw.patch(f"/threads/{thread_id}", json={"metadata": {"a": 1}})).status_code == 200


async def test_a_nul_in_a_key_is_taken_and_the_run_ends_well(raw: httpx.AsyncClient) -> None:
    odd = {"a\0b": "c\0d", "in": {"e\0f": ["\0"]}}
    body = {"assistant_id": "echo", "input": {"messages": "hi"}, "metadata": odd, "config": {"configurable": odd}}
    thread_id = (await raw.post("/threads", json={"metadata": odd})).json()["thread_id"]
    values = (await raw.post(f"/threads/{thread_id}/runs/wait", json=body)).json()
    assert values["messages"][-1]["content"] == "echo: hi"
    [run] = (await raw.get(f"/threads/{thread_id}/runs")).json()
    assert (run["status"], run["metadata"]["a\0b"]) == ("success", "c\0d")
    found = (await raw.post("/threads/search", json={"metadata": odd})).json()
    assert thread_id in [thread["thread_id"] for thread in found]
