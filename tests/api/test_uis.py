"""The request sequences of agent-chat-ui and of LangGraph Studio, replayed as they send them."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.api.frames import parse
from tests.api_requirements import requirement

CHAT_UI = {"origin": "http://localhost:3000"}
STUDIO = {"origin": "https://smith.langchain.com", "content-type": "text/plain;charset=UTF-8"}


@requirement("ui.agent_chat")
async def test_agent_chat_uis_conversation(raw: httpx.AsyncClient) -> None:
    assert (await raw.get("/info", headers=CHAT_UI)).status_code == 200
    found = await raw.post("/threads/search", json={"metadata": {"graph_id": "asking"}, "limit": 100}, headers=CHAT_UI)
    assert found.status_code == 200
    thread = (await raw.post("/threads", json={"metadata": {}}, headers=CHAT_UI)).json()["thread_id"]
    body: dict[str, Any] = {
        "input": {"topic": "tea"},
        "config": {"configurable": {}},
        "context": None,
        "metadata": {},
        "stream_mode": ["values", "messages-tuple", "custom"],
        "stream_subgraphs": True,
        "stream_resumable": True,
        "assistant_id": "asking",
        "on_disconnect": "continue",
    }
    first = await raw.post(f"/threads/{thread}/runs/stream", json=body, headers=CHAT_UI)
    frames = parse(first.content)
    assert (frames[0].event, frames[-1].event) == ("metadata", "end")
    assert frames[-2].data["__interrupt__"][0]["value"] == {"question": "first about tea?"}
    history = (await raw.post(f"/threads/{thread}/history", json={"limit": 10}, headers=CHAT_UI)).json()
    checkpoint = {key: history[0]["checkpoint"][key] for key in ("checkpoint_id", "checkpoint_ns")}
    resume = {**body, "input": {}, "command": {"resume": "green"}, "checkpoint": checkpoint}
    second = parse((await raw.post(f"/threads/{thread}/runs/stream", json=resume, headers=CHAT_UI)).content)
    assert second[-2].data["__interrupt__"][0]["value"] == {"question": "second?"}
    found = await raw.post("/threads/search", json={"metadata": {"graph_id": "asking"}, "limit": 100}, headers=CHAT_UI)
    assert thread in {row["thread_id"] for row in found.json()}
    rejoined = await raw.get(first.headers["location"], headers={**CHAT_UI, "last-event-id": "-1"})
    assert parse(rejoined.content) == frames


@requirement("ui.agent_chat.regenerate")
async def test_agent_chat_uis_regenerate_starts_from_the_checkpoint_before_the_message(raw: httpx.AsyncClient) -> None:
    thread = (await raw.post("/threads", json={"metadata": {}})).json()["thread_id"]
    say = {"messages": [{"id": "m1", "type": "human", "content": "hi"}]}
    given = {"assistant_id": "echo", "input": say, "stream_mode": ["values"]}
    await raw.post(f"/threads/{thread}/runs/stream", json=given)
    history = (await raw.post(f"/threads/{thread}/history", json={"limit": 10})).json()
    parent = history[0]["parent_checkpoint"]
    again = await raw.post(
        f"/threads/{thread}/runs/wait", json={"assistant_id": "echo", "input": None, "checkpoint": parent}
    )
    assert [message["content"] for message in again.json()["messages"]] == ["hi", "echo: hi"]


@requirement("ui.studio")
async def test_studios_requests_as_text_plain_from_its_own_origin(raw: httpx.AsyncClient) -> None:
    async def post(path: str, body: Any) -> Any:
        answer = await raw.post(path, content=json.dumps(body), headers=STUDIO)
        assert answer.status_code == 200, (path, answer.text)
        assert answer.headers["access-control-allow-origin"] == STUDIO["origin"]
        return answer.json()

    async def get(path: str) -> Any:
        answer = await raw.get(path, headers={"origin": STUDIO["origin"]})
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    info = await get("/info")
    assert tuple(map(int, info["version"].split("."))) >= (0, 4, 35)
    assert info["flags"]["assistants"] is True
    system = await post("/assistants/search", {"limit": 100, "offset": 0, "metadata": {"created_by": "system"}})
    assistant = next(one for one in system if one["graph_id"] == "nested")["assistant_id"]
    for path in ("", "/graph?xray=true", "/schemas", "/subgraphs?recurse=true"):
        assert await get(f"/assistants/{assistant}{path}")
    assert await post(f"/assistants/{assistant}/versions", {"limit": 10, "offset": 0})
    thread = (await post("/threads", {"metadata": {"graph_id": "nested", "assistant_id": assistant}}))["thread_id"]
    assert (await get(f"/threads/{thread}/state"))["values"] == {}
    run = {
        "assistant_id": assistant,
        "input": {"text": "sure?"},
        "stream_mode": ["debug", "messages"],
        "stream_subgraphs": True,
        "stream_resumable": True,
        "multitask_strategy": "rollback",
        "checkpoint": {"checkpoint_id": None, "checkpoint_ns": None, "checkpoint_map": None},
    }
    answer = await raw.post(f"/threads/{thread}/runs/stream", content=json.dumps(run), headers=STUDIO)
    frames = parse(answer.content)
    assert frames[-1].event == "end"
    assert any(frame.event.startswith("debug|sub:") for frame in frames)
    history = await post(f"/threads/{thread}/history", {"limit": 1000})
    first = history[-1]["checkpoint"]["checkpoint_id"]
    assert (await get(f"/threads/{thread}/state/{first}?subgraphs=true"))["checkpoint"]["checkpoint_id"] == first
    at = {"checkpoint": {"checkpoint_id": first, "checkpoint_ns": ""}, "subgraphs": True}
    assert await post(f"/threads/{thread}/state/checkpoint", at)
    copied = await post(f"/threads/{thread}/state", {"values": None, "as_node": "__copy__", "checkpoint_id": first})
    again = await post(
        f"/threads/{thread}/runs/wait",
        {"assistant_id": assistant, "input": None, "checkpoint_id": copied["checkpoint_id"]},
    )
    assert again["__interrupt__"][0]["value"] == "really?"
    assert await post("/threads/search", {"metadata": {"graph_id": "nested"}, "limit": 10, "offset": 0})
    assert await post("/store/namespaces", {"limit": 100, "offset": 0}) is not None
    assert await post("/store/items/search", {"namespace_prefix": [], "limit": 10}) is not None


@requirement("ui.preflight")
async def test_browsers_may_ask_first_from_loopback_and_from_studio_and_nobody_else(raw: httpx.AsyncClient) -> None:
    async def asked(origin: str, **more: str) -> httpx.Response:
        headers = {
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,x-api-key,x-auth-scheme,last-event-id",
            **more,
        }
        return await raw.options("/runs/stream", headers=headers)

    for origin in ("http://localhost:3000", "http://127.0.0.1:5173", "https://smith.langchain.com"):
        answer = await asked(origin, **{"access-control-request-private-network": "true"})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-private-network"] == "true"
        assert "x-auth-scheme" in answer.headers["access-control-allow-headers"].lower()
    assert (await asked("https://example.com")).status_code >= 400
    assert (await raw.post("/threads/search", json={}, headers={"origin": "https://example.com"})).status_code == 403


@requirement("system.info")
async def test_the_server_says_what_it_is(raw: httpx.AsyncClient) -> None:
    info = (await raw.get("/info")).json()
    assert {"version", "langgraph_py_version", "flags", "host", "threadkeep_version"} <= set(info)
    for path in ("/ok", "/ok?check_db=1", "/"):
        answer = await raw.get(path)
        assert (answer.status_code, answer.json()["ok"]) == (200, True), path
