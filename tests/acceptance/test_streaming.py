"""Streams arrive while the work is going on, whole and in order, and are cut, never ended, when the server stops."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

from tests.acceptance.talking import Frame, chat, frames, new_thread, run_of, said
from tests.processes import TRIAL_PROJECT, ServerProcess, running_server

QUESTION = "what is 17.5% of 2,340?"


def streamed(client: httpx.Client, **body: object) -> list[Frame]:
    with client.stream("POST", "/chat", json=body) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(frames(response))


def test_the_first_token_arrives_while_the_model_is_still_talking(data_dir: Path) -> None:
    with running_server(data_dir, environment={"OFFLINE_TOKEN_DELAY": "0.3"}) as server, server.client() as client:
        with client.stream("POST", "/chat", json={"message": "My name is Ada.", "stream": True}) as response:
            arriving = frames(response)
            run = next(arriving).data
            first = next(frame for frame in arriving if frame.event == "token")
            # The stream goes on by itself; what the server says about the run now is said while tokens are due.
            assert run_of(client, run["thread_id"], run["run_id"])["status"] == "running"
            assert said(client, run["thread_id"])[1:] == []
            rest = list(arriving)
        texts = [first.data["text"], *(frame.data["text"] for frame in rest if frame.event == "token")]
        assert texts == ["Noted: ", "your ", "name ", "is ", "Ada."]
        assert rest[-1].event == "done"
        assert rest[-1].data["response"] == "".join(texts)


def test_a_chat_stream_tells_of_tools_tokens_and_ends_with_the_summary(http: httpx.Client) -> None:
    arrived = streamed(http, message=QUESTION, stream=True)
    names = [frame.event for frame in arrived]
    assert names[:3] == ["metadata", "tool_call", "tool_result"]
    assert set(names[3:-1]) == {"token"}
    assert names[-1] == "done"
    assert arrived[1].data["name"] == "calculator"
    assert arrived[1].data["args"] == {"expression": "17.5% of 2,340"}
    assert arrived[2].data == {"id": arrived[1].data["id"], "content": "409.5"}
    whole = chat(http, QUESTION)
    assert arrived[-1].data.keys() == whole.keys()
    assert arrived[-1].data["response"] == whole["response"] == "17.5% of 2,340 = 409.5"
    assert arrived[-1].data["tools_used"] == ["calculator"]


def test_asking_for_an_event_stream_by_its_media_type_is_enough(http: httpx.Client) -> None:
    given = {"message": "My name is Ada."}
    with http.stream("POST", "/chat", json=given, headers={"accept": "text/event-stream"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert [frame.event for frame in frames(response)][-1] == "done"


def test_each_token_of_a_stream_names_its_message(http: httpx.Client) -> None:
    arrived = streamed(http, message="My name is Ada.", stream=True)
    ids = {frame.data["message_id"] for frame in arrived if frame.event == "token"}
    state = http.get(f"/threads/{arrived[0].data['thread_id']}/state").json()
    assert ids == {state["values"]["messages"][-1]["id"]}


def test_an_agent_inside_another_speaks_token_by_token_and_once(trial_http: httpx.Client) -> None:
    arrived = streamed(trial_http, message="one two", graph="teamed", stream=True)
    assert [frame.data["text"] for frame in arrived if frame.event == "token"] == ["one ", "two"]
    assert arrived[-1].data["response"] == "one two"


@pytest.mark.parametrize("graph", ["react", "plan_execute", "tree_of_thought"])
async def test_tokens_over_the_sdk_add_up_to_the_stored_answer(shipped: ServerProcess, graph: str) -> None:
    async with get_client(url=shipped.url) as client:
        thread = await client.threads.create()
        given: dict[str, Any] = {"messages": [{"role": "user", "content": "My name is Ada."}]}
        texts: dict[str, str] = {}
        modes = ["messages-tuple", "values"]
        stream = client.runs.stream(thread["thread_id"], graph, input=given, stream_mode=modes)  # type: ignore[arg-type]
        async for part in stream:
            if part.event == "messages" and part.data[0]["type"] == "AIMessageChunk":
                message = part.data[0]
                texts[message["id"]] = texts.get(message["id"], "") + message["content"]
        state: Any = await client.threads.get_state(thread["thread_id"])
        answer = state["values"]["messages"][-1]
        assert answer["type"] == "ai"
        assert texts.get(answer["id"], answer["content"]) == answer["content"]
        assert graph != "react" or answer["id"] in texts


def test_a_stop_cuts_open_streams_and_the_run_goes_on_at_the_next_start(data_dir: Path) -> None:
    given = {"assistant_id": "slow", "input": {"steps": 200, "seconds": 0.05}, "stream_mode": ["values"]}
    with running_server(data_dir, config=TRIAL_PROJECT) as server:
        with server.client() as client:
            thread_id = new_thread(client)
            with client.stream("POST", f"/threads/{thread_id}/runs/stream", json=given) as response:
                arriving = frames(response)
                run_id = next(arriving).data["run_id"]
                assert next(arriving).event == "values"
                server.send(signal.SIGTERM)
                seen: list[str] = []
                with pytest.raises(httpx.RemoteProtocolError):
                    seen += [frame.event for frame in arriving]
            assert "end" not in seen
            assert server.ended(seconds=15) == 0
        server.restart()
        with server.client() as client:
            assert run_of(client, thread_id, run_id)["status"] in ("pending", "running")
            cancelled = client.post(f"/threads/{thread_id}/runs/{run_id}/cancel?wait=1")
            assert cancelled.status_code in (200, 202, 204)
            done = client.get(f"/threads/{thread_id}/state").json()["values"]["done"]
            assert done == list(range(len(done)))
            assert done


def test_a_client_that_hangs_up_does_not_stop_its_run(trial: ServerProcess) -> None:
    given = {"assistant_id": "slow", "input": {"steps": 4, "seconds": 0.1}, "stream_mode": ["values"]}
    with trial.client() as client:
        thread_id = new_thread(client)
        with client.stream("POST", f"/threads/{thread_id}/runs/stream", json=given) as response:
            run_id = next(frames(response)).data["run_id"]
    with trial.client() as client:
        values = client.get(f"/threads/{thread_id}/runs/{run_id}/join").json()
        assert values["done"] == [0, 1, 2, 3]
        assert run_of(client, thread_id, run_id)["status"] == "success"
