"""What is wrong with a request is said in words, with what is allowed; nothing is stored, and nothing else suffers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.acceptance.talking import chat, frames, new_thread, run_of, said, wait_until
from tests.processes import running_server

MISSING = "7d1a2c7e-0000-4000-8000-000000000000"
SHIPPED = "react, plan_execute, tree_of_thought"


def refused(client: httpx.Client, status: int, body: Any) -> str:
    reply = client.post("/chat", json=body)
    assert reply.status_code == status, reply.text
    return str(reply.json()["detail"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": ""}, "message: must not be empty"),
        ({"message": " \n\t"}, "message: must not be empty"),
        ({}, "give either message, or resume"),
        ({"message": 7}, "message: Input should be a valid string"),
        ({"message": None}, "give either message, or resume"),
        ({"message": "hi", "graph": "reakt"}, f"graph: there is no 'reakt'; this server has {SHIPPED}"),
        ({"message": "hi", "thread_id": "mine"}, "Invalid thread ID: must be a UUID"),
        ({"message": "hi", "user_id": ""}, "user_id: String should have at least 1 character"),
        ({"message": "hi", "stream": "perhaps"}, "stream: Input should be a valid boolean"),
        ([], "Input should be a valid dictionary"),
    ],
)
def test_a_wrong_body_is_refused_with_the_field_and_what_is_allowed(http: httpx.Client, body: Any, words: str) -> None:
    assert words in refused(http, 422, body)


@pytest.mark.parametrize("body", [b'{"message": "hi"', b"message=hi", b"", b"\xff\xfe"])
def test_a_body_that_is_no_json_is_refused(http: httpx.Client, body: bytes) -> None:
    reply = http.post("/chat", content=body, headers={"content-type": "application/json"})
    assert reply.status_code in (400, 422)
    assert reply.json()["detail"]


def test_a_thread_that_is_not_there_is_a_404(http: httpx.Client) -> None:
    missing = str(uuid4())
    assert refused(http, 404, {"message": "hi", "thread_id": missing}) == f"Thread with ID {missing} not found"


def test_a_thread_keeps_the_graph_it_was_made_with(http: httpx.Client) -> None:
    thread_id = chat(http, "My name is Ada.", graph="plan_execute")["thread_id"]
    words = refused(http, 409, {"message": "What is my name?", "graph": "react", "thread_id": thread_id})
    assert "'plan_execute'" in words
    assert "'react'" in words
    assert len(said(http, thread_id)) == 2
    assert chat(http, "What is my name?", thread_id=thread_id)["graph"] == "plan_execute"


def test_starting_over_with_an_unknown_graph_is_refused(http: httpx.Client) -> None:
    reply = http.post("/reset", json={"user_id": "ada", "graph": "nope"})
    assert reply.status_code == 422
    assert reply.json()["detail"] == f"graph: there is no 'nope'; this server has {SHIPPED}"


def test_a_refused_message_leaves_nothing_behind(http: httpx.Client) -> None:
    user = f"user-{uuid4().hex}"
    refused(http, 422, {"message": "", "user_id": user})
    refused(http, 422, {"message": "hi", "user_id": user, "graph": "nope"})
    refused(http, 404, {"message": "hi", "user_id": user, "thread_id": str(uuid4())})
    assert http.get(f"/users/{user}/threads").json() == []


def test_a_failed_run_is_a_502_that_names_the_run_and_the_next_message_works(lookalike_http: httpx.Client) -> None:
    thread_id = new_thread(lookalike_http)
    reply = lookalike_http.post("/chat", json={"message": "raise", "graph": "moody", "thread_id": thread_id})
    assert reply.status_code == 502
    answer = reply.json()
    assert answer["response"] is None
    assert answer["error"] == {"error": "OnPurposeError", "message": "boom on purpose"}
    assert "boom on purpose" in answer["detail"]
    assert "Traceback" not in reply.text
    run = run_of(lookalike_http, thread_id, answer["run_id"])
    assert run["status"] == "error"
    assert lookalike_http.get(f"/threads/{thread_id}").json()["status"] == "error"
    assert chat(lookalike_http, "fine", thread_id=thread_id)["response"] == "You said: fine"


def test_a_failed_run_ends_its_stream_with_the_same_words(lookalike_http: httpx.Client) -> None:
    given = {"message": "raise", "graph": "moody", "stream": True}
    with lookalike_http.stream("POST", "/chat", json=given) as response:
        last = list(frames(response))[-1]
    assert last.event == "error"
    assert last.data["error"]["message"] == "boom on purpose"
    assert last.data["run_id"]


@pytest.mark.parametrize("answer", [{"message": "yes"}, {"resume": "yes"}])
def test_what_a_graph_asks_is_answered_by_the_next_message_or_in_its_own_form(
    lookalike_http: httpx.Client, answer: dict[str, str]
) -> None:
    thread_id = chat(lookalike_http, "ask", graph="moody")["thread_id"]
    for stream in (False, True):
        headers = {"idempotency-key": f"the answer to {thread_id}"}
        body = {"thread_id": thread_id, "stream": stream, **answer}
        given = lookalike_http.post("/chat", json=body, headers=headers)
        assert given.status_code == 200
        assert "You said: yes" in given.text
    assert len(lookalike_http.get(f"/threads/{thread_id}/runs").json()) == 2
    assert chat(lookalike_http, "more", thread_id=thread_id)["response"] == "You said: more"


@pytest.mark.parametrize("body", [{}, {"message": "yes", "resume": "yes"}, {"message": None, "resume": None}])
def test_a_turn_is_a_message_or_an_answer(lookalike_http: httpx.Client, body: dict[str, str | None]) -> None:
    refused = lookalike_http.post("/chat", json={"graph": "moody", **body})
    assert refused.status_code == 422
    assert "either message, or resume" in refused.text


def test_an_interrupt_is_answered_without_a_response_and_can_be_resumed(lookalike_http: httpx.Client) -> None:
    asked = chat(lookalike_http, "ask", graph="moody")
    assert asked["response"] is None
    assert [item["value"] for item in asked["interrupts"]] == [{"question": "really?"}]
    thread_id = asked["thread_id"]
    assert lookalike_http.get(f"/threads/{thread_id}").json()["status"] == "interrupted"
    given = {"assistant_id": "moody", "command": {"resume": "yes"}}
    values = lookalike_http.post(f"/threads/{thread_id}/runs/wait", json=given).json()
    assert values["messages"][-1]["content"] == "You said: yes"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/threads/not-an-id", None, 422),
        ("GET", f"/threads/{MISSING}", None, 404),
        ("GET", f"/threads/{MISSING}/state", None, 404),
        ("GET", f"/threads/{MISSING}/runs/{MISSING}", None, 404),
        ("POST", f"/threads/{MISSING}/runs", {"assistant_id": "react"}, 404),
        ("POST", "/runs/wait", {"assistant_id": "nobody"}, 404),
        ("POST", "/runs/wait", {}, 422),
        ("GET", f"/assistants/{MISSING}", None, 404),
        ("GET", "/nowhere", None, 404),
        ("DELETE", "/chat", None, 405),
    ],
)
def test_the_api_answers_what_is_not_there_with_words(
    http: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    reply = http.request(method, path, json=body)
    assert reply.status_code == status, reply.text
    assert reply.json()["detail"]
    assert reply.headers["x-request-id"]


def test_a_body_beyond_the_limit_is_refused(http: httpx.Client) -> None:
    reply = http.post("/chat", json={"message": "x" * 21_000_000})
    assert reply.status_code == 413
    assert http.get("/ok").status_code == 200


@pytest.mark.parametrize(
    ("graph", "context", "words"),
    [
        ("react", {"temperature": 3}, "temperature: Input should be less than or equal to 2"),
        ("react", {"tools": ["hammer"]}, "there is no tool 'hammer'; there are: calculator, "),
        ("plan_execute", {"approve_tools": ["hammer"]}, "there is no tool 'hammer'; there are: calculator, "),
        ("tree_of_thought", {"model": "openai:x"}, "openai:x needs OPENAI_API_KEY"),
        ("tree_of_thought", {"beam": 0}, "beam: Input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_refused_before_the_run_starts(
    http: httpx.Client, graph: str, context: dict[str, Any], words: str
) -> None:
    body = {"assistant_id": graph, "input": {"messages": []}}
    for given in ({"context": context}, {"config": {"configurable": context}}):
        reply = http.post("/runs/wait", json={**body, **given})
        assert reply.status_code == 422, reply.text
        assert reply.json()["detail"].startswith(f"The context does not fit this graph: {words}")


HALF = """
from langgraph.graph import START, MessagesState, StateGraph

def say(state):
    return {"messages": [{"role": "ai", "content": "half \\ud83d"}]}

graph = StateGraph(MessagesState).add_node("say", say).add_edge(START, "say").compile()
"""


def test_half_a_character_in_a_graphs_last_word_does_not_keep_its_run_from_ending(tmp_path: Path) -> None:
    config = tmp_path / "langgraph.json"
    config.write_text(json.dumps({"dependencies": ["."], "graphs": {"half": "./half.py:graph"}}))
    (tmp_path / "half.py").write_text(HALF)
    body = {"assistant_id": "half", "input": {"messages": "hello"}}
    with running_server(tmp_path / "data", config=config) as server, server.client() as client:
        thread = new_thread(client)
        run = client.post(f"/threads/{thread}/runs", json=body).json()["run_id"]
        wait_until(lambda: run_of(client, thread, run)["status"] == "success", what="the run's end")
        assert said(client, thread)[-1] == ("ai", "half ?")
