"""The OpenAI-compatible endpoint with the real `openai` client, and with LangChain's `ChatOpenAI` on top of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI

from tests.api.waiting import until
from tests.api_requirements import requirement
from tests.processes import ServerProcess

PERCENT: Any = [{"role": "user", "content": "what is 17.5% of 2,340?"}]
ANSWER = "17.5% of 2,340 = 409.5"


@pytest.fixture
def client(shipped: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{shipped.url}/v1", api_key="any") as opened:
        yield opened


@pytest.fixture
def trial_client(trial: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{trial.url}/v1", api_key="any") as opened:
        yield opened


def said(text: str) -> Any:
    return [{"role": "user", "content": text}]


def runs(server: ServerProcess) -> int:
    """How many runs have begun, by the server's own log."""
    return server.log.count('"run_started"')


@requirement("openai.models")
def test_models_are_the_assistants_that_can_be_chatted_with(client: openai.OpenAI, http: httpx.Client) -> None:
    made = http.post("/assistants", json={"graph_id": "react", "name": "Careful"}).json()
    models = {model.id: model for model in client.models.list()}
    assert {"react", "plan_execute", "tree_of_thought", made["assistant_id"]} <= set(models)
    assert (models["react"].object, models["react"].owned_by) == ("model", "threadkeep")
    assert client.models.retrieve("react").id == "react"
    assert client.models.retrieve(made["assistant_id"]).model_dump()["name"] == "Careful"
    answer = client.chat.completions.create(model=made["assistant_id"], messages=PERCENT)
    assert answer.choices[0].message.content == ANSWER
    http.delete(f"/assistants/{made['assistant_id']}").raise_for_status()


@requirement("openai.models", "openai.errors")
def test_a_graph_without_messages_is_no_model(trial_client: openai.OpenAI) -> None:
    models = {model.id for model in trial_client.models.list()}
    assert "echo" in models
    assert not {"steps", "slow"} & models
    with pytest.raises(openai.NotFoundError, match="takes no messages"):
        trial_client.chat.completions.create(model="steps", messages=PERCENT)


@requirement("openai.completion")
def test_a_completion_is_the_graphs_answer_with_its_usage(client: openai.OpenAI, http: httpx.Client) -> None:
    before = http.post("/threads/count", json={}).json()
    answer = client.chat.completions.create(model="react", messages=PERCENT, temperature=0.2, max_tokens=100)
    assert (answer.object, answer.model, answer.id.startswith("chatcmpl-")) == ("chat.completion", "react", True)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (ANSWER, "stop")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens + answer.usage.completion_tokens == answer.usage.total_tokens > 0
    assert http.post("/threads/count", json={}).json() == before


@requirement("openai.completion")
def test_the_whole_conversation_is_what_a_stateless_run_knows(client: openai.OpenAI) -> None:
    conversation: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "My name is Ada."}]},
        {"role": "assistant", "content": "Noted: your name is Ada."},
        {"role": "user", "content": "What is my name?"},
    ]
    answer = client.chat.completions.create(model="react", messages=conversation)
    assert answer.choices[0].message.content == "Your name is Ada."
    forgotten = client.chat.completions.create(model="react", messages=said("What is my name?"))
    assert "Ada" not in (forgotten.choices[0].message.content or "")


@requirement("openai.stream")
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("react", "what is 17.5% of 2,340?"),
        ("plan_execute", "add 12 and 30, then multiply the result by 7"),
        ("tree_of_thought", "4 9 10 13"),
    ],
)
def test_a_stream_tells_the_answer_piece_by_piece(client: openai.OpenAI, model: str, message: str) -> None:
    whole = client.chat.completions.create(model=model, messages=said(message))
    options: Any = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model=model, messages=said(message), stream=True, stream_options=options)
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert told.endswith(whole.choices[0].message.content or "?")
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)
    assert len({chunk.id for chunk in chunks}) == 1
    without = list(client.chat.completions.create(model=model, messages=said(message), stream=True))
    assert not any(chunk.usage for chunk in without)


@requirement("openai.stream")
def test_a_message_that_came_whole_is_streamed_too(trial_client: openai.OpenAI) -> None:
    stream = trial_client.chat.completions.create(model="echo", messages=said("hi"), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "echo: hi"


@requirement("openai.stream")
def test_an_agent_inside_another_is_streamed_piece_by_piece_and_once(trial_client: openai.OpenAI) -> None:
    stream = trial_client.chat.completions.create(model="teamed", messages=said("one two"), stream=True)
    assert [text for chunk in stream if (text := chunk.choices[0].delta.content)] == ["one ", "two"]


@requirement("openai.stream")
async def test_a_client_that_leaves_its_stream_stops_the_run(raw: httpx.AsyncClient) -> None:
    thread_id = str(uuid4())
    body = {"model": "moody", "messages": said("wait"), "stream": True}
    async with raw.stream("POST", "/v1/chat/completions", json=body, headers={"x-thread-id": thread_id}) as answer:
        assert answer.headers["x-thread-id"] == thread_id
        await anext(answer.aiter_bytes())

    async def statuses() -> list[str]:
        return [run["status"] for run in (await raw.get(f"/threads/{thread_id}/runs")).json()]

    assert await until(statuses, lambda found: found[0] not in ("pending", "running")) == ["interrupted"]


@requirement("openai.threads")
def test_a_thread_is_told_only_what_is_new(client: openai.OpenAI, http: httpx.Client) -> None:
    thread = {"x-thread-id": str(uuid4())}
    first: Any = [{"role": "system", "content": "Be brief."}, *said("My name is Ada.")]
    raw = client.chat.completions.with_raw_response.create(model="react", messages=first, extra_headers=thread)
    assert raw.headers["x-thread-id"] == thread["x-thread-id"]
    reply = raw.parse().choices[0].message.content
    more: Any = [*first, {"role": "assistant", "content": reply}, *said("What is my name?")]
    answer = client.chat.completions.create(model="react", messages=more, extra_headers=thread)
    assert answer.choices[0].message.content == "Your name is Ada."
    kept = http.get(f"/threads/{thread['x-thread-id']}/state").json()["values"]["messages"]
    assert [message["type"] for message in kept] == ["system", "human", "ai", "human", "ai"]
    again = client.chat.completions.create(model="react", messages=said("What is my name?"), extra_headers=thread)
    assert again.choices[0].message.content == "Your name is Ada."
    with pytest.raises(openai.ConflictError, match="was made with the graph 'react'"):
        client.chat.completions.create(model="plan_execute", messages=PERCENT, extra_headers=thread)


@requirement("openai.threads")
def test_a_user_goes_on_with_the_thread_that_chat_gave_them(client: openai.OpenAI, http: httpx.Client) -> None:
    user = f"user-{uuid4().hex}"
    client.chat.completions.create(model="react", messages=said("My name is Ada."), user=user)
    chatted = http.post("/chat", json={"message": "What is my name?", "user_id": user, "graph": "react"}).json()
    assert chatted["response"] == "Your name is Ada."
    answer = client.chat.completions.create(model="react", messages=said("What is my name?"), user=user)
    assert answer.choices[0].message.content == "Your name is Ada."
    assert len(http.get(f"/users/{user}/threads").json()) == 1
    other = {"x-thread-id": chatted["thread_id"]}
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="react", messages=PERCENT, user="somebody else", extra_headers=other)


@requirement("openai.interrupts")
def test_what_a_graph_asks_is_answered_by_the_next_message(client: openai.OpenAI, http: httpx.Client) -> None:
    context = {"approve_tools": ["calculator"]}
    model = http.post("/assistants", json={"graph_id": "react", "context": context}).json()["assistant_id"]
    for word, outcome in (("approve", ANSWER), ("reject", "reject")):
        thread = {"x-thread-id": str(uuid4())}
        asked = client.chat.completions.create(model=model, messages=PERCENT, extra_headers=thread)
        question = asked.choices[0].message.content or ""
        assert "calculator" in question
        conversation: Any = [*PERCENT, {"role": "assistant", "content": question}, *said(word)]
        answer = client.chat.completions.create(model=model, messages=conversation, extra_headers=thread)
        assert outcome in (answer.choices[0].message.content or ""), word
    http.delete(f"/assistants/{model}").raise_for_status()


@requirement("openai.errors")
def test_what_cannot_be_answered_is_refused_in_words_and_asked_once(
    client: openai.OpenAI, shipped: ServerProcess
) -> None:
    create: Any = client.chat.completions.create
    before = runs(shipped)
    with pytest.raises(openai.NotFoundError, match="'gpt-5' not found") as missing:
        create(model="gpt-5", messages=PERCENT)
    assert (missing.value.code, missing.value.type) == ("model_not_found", "not_found_error")
    for wrong, words in (
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "each needs a role"),
        ({"messages": [{"role": "user"}]}, "has no content"),
        ({"messages": [{"role": "tool", "content": "hi"}]}, "cannot be understood"),
        ({"n": 2}, "n:"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"extra_headers": {"x-thread-id": "mine"}}, "must be a UUID"),
    ):
        with pytest.raises(openai.UnprocessableEntityError, match=words):
            create(**{"model": "react", "messages": PERCENT, **wrong})
    assert runs(shipped) == before


@requirement("openai.errors")
def test_a_failed_run_is_an_error_and_is_not_repeated_by_the_client(
    trial_client: openai.OpenAI, trial: ServerProcess
) -> None:
    before = runs(trial)
    with pytest.raises(openai.APIStatusError, match="The run failed: no echo for this"):
        trial_client.chat.completions.create(model="moody", messages=said("fail"))
    assert runs(trial) == before + 1
    stream = trial_client.chat.completions.create(model="moody", messages=said("fail"), stream=True)
    with pytest.raises(openai.APIError, match="The run failed: no echo for this"):
        list(stream)


@requirement("openai.completion", "openai.stream")
async def test_langchains_own_client_chats_with_a_graph(shipped: ServerProcess) -> None:
    model = ChatOpenAI(base_url=f"{shipped.url}/v1", api_key="any", model="react", stream_usage=True)  # type: ignore[arg-type]
    answer = await model.ainvoke(PERCENT)
    assert answer.text == ANSWER
    pieces = [piece async for piece in model.astream(PERCENT)]
    assert "".join(piece.text for piece in pieces) == ANSWER
    used = [piece.usage_metadata for piece in pieces if piece.usage_metadata]
    assert used
    assert used[-1]["total_tokens"] == answer.usage_metadata["total_tokens"]  # type: ignore[index]
