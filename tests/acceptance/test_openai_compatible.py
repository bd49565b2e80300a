"""The whole server against a model behind OpenAI's chat completions: `ChatOpenAI`, sockets, faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_client

from tests.acceptance.talking import chat, frames, said
from tests.acceptance.test_three_graphs import TASKS
from tests.model_server.server import ModelServer, model_server
from tests.processes import ServerProcess, running_server


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture(scope="module")
def server(model: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data_dir = tmp_path_factory.mktemp("openai") / "data"
    with running_server(data_dir, environment=environment_of(model)) as running:
        yield running


def environment_of(model: ModelServer) -> dict[str, str]:
    return {"MODEL": "openai:tested", "OPENAI_BASE_URL": model.base_url, "MODEL_TIMEOUT": "20"}


@pytest.mark.parametrize(("graph", "message", "answer"), TASKS)
def test_each_graph_answers_through_chat_completions(
    model: ModelServer, server: ServerProcess, graph: str, message: str, answer: str
) -> None:
    before = len(model.requests)
    with server.client() as client:
        reply = chat(client, message, graph=graph)
    assert answer in reply["response"]
    assert reply["model"] == "openai:tested"
    asked = model.requests[before:]
    assert {request["model"] for request in asked} == {"tested"}
    assert reply["usage"]["model_calls"] == len(asked)
    assert reply["usage"]["total_tokens"] > 0


@pytest.mark.parametrize(("graph", "message", "answer"), TASKS)
async def test_each_graph_answers_over_the_sdk(server: ServerProcess, graph: str, message: str, answer: str) -> None:
    async with get_client(url=server.url) as client:
        given: dict[str, Any] = {"messages": [{"role": "user", "content": message}]}
        values: Any = await client.runs.wait(None, graph, input=given)
        assert answer in values["messages"][-1]["content"]


def test_tokens_arrive_one_by_one_and_with_their_usage(server: ServerProcess) -> None:
    given = {"message": "My name is Ada.", "stream": True}
    with server.client() as client, client.stream("POST", "/chat", json=given) as response:
        arrived = list(frames(response))
    tokens = [frame.data["text"] for frame in arrived if frame.event == "token"]
    assert tokens == ["Noted: ", "your ", "name ", "is ", "Ada."]
    assert arrived[-1].event == "done"
    assert arrived[-1].data["usage"]["output_tokens"] > 0


def test_the_history_of_a_thread_reaches_the_model_after_a_kill(model: ModelServer, data_dir: Path) -> None:
    with running_server(data_dir, environment=environment_of(model)) as server:
        with server.client() as client:
            thread_id = chat(client, "My name is Ada.", user_id="ada")["thread_id"]
        server.kill()
        server.restart()
        with server.client() as client:
            assert chat(client, "What is my name?", user_id="ada")["response"] == "Your name is Ada."
            assert len(said(client, thread_id)) == 4
    sent = [message["content"] for message in model.requests[-1]["messages"] if message["role"] != "system"]
    assert sent == ["My name is Ada.", "Noted: your name is Ada.", "What is my name?"]


def test_a_passing_fault_of_the_model_is_not_seen_by_the_client(model: ModelServer, server: ServerProcess) -> None:
    with server.client() as client:
        for fault in ("rate_limit", "server_error"):
            model.fail_next(fault)
            assert chat(client, "what is 2 + 2?")["response"] == "2 + 2 = 4"


@pytest.mark.parametrize("fault", ["cut", "no_finish"])
def test_tokens_shown_before_the_model_broke_off_are_discarded_by_message(
    model: ModelServer, server: ServerProcess, fault: Any
) -> None:
    model.fail_next(fault)
    shown: dict[str, str] = {}
    with server.client() as client:
        given = {"message": "My name is Ada.", "stream": True}
        with client.stream("POST", "/chat", json=given) as response:
            for frame in frames(response):
                if frame.event == "token":
                    shown[frame.data["message_id"]] = shown.get(frame.data["message_id"], "") + frame.data["text"]
                elif frame.event == "discard":
                    assert shown.pop(frame.data["message_id"])
    assert [*shown.values()] == ["Noted: your name is Ada."]


def test_a_refusing_model_fails_the_run_and_the_next_message_works(model: ModelServer, server: ServerProcess) -> None:
    with server.client() as client:
        thread_id = chat(client, "My name is Ada.")["thread_id"]
        model.fail_next("bad_request")
        failed = client.post("/chat", json={"message": "What is my name?", "thread_id": thread_id})
        assert failed.status_code == 502
        assert failed.json()["run_id"]
        assert failed.json()["response"] is None
        assert chat(client, "What is my name?", thread_id=thread_id)["response"] == "Your name is Ada."


def test_a_model_that_cannot_be_reached_fails_the_run_with_words(data_dir: Path) -> None:
    nobody = {"MODEL": "openai:tested", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "MODEL_TIMEOUT": "1"}
    with running_server(data_dir, environment=nobody) as server, server.client() as client:
        failed = client.post("/chat", json={"message": "hello"})
        assert failed.status_code == 502
        assert failed.json()["error"]["message"]
        assert client.get("/ready").status_code == 200
