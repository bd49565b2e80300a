"""A run that several questions stop answers with all of them, as LangGraph's own `ainvoke` does, whoever reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.api.sdk import Sdk
from tests.postgres import database_for
from tests.processes import TRIAL_PROJECT, running_server
from tests.projects.trial.trial_graphs import polling

TOPICS = ["aloud", "quiet"]
STEPS: list[dict[str, str] | None] = [None, {"b": "B"}, {"a": "A"}, {"c": "C"}]
"""What is answered in turn, after the start."""


class Plain:
    """The same graph, asked and answered in this process."""

    def __init__(self) -> None:
        self._graph = polling.graph.copy({"checkpointer": InMemorySaver()})
        self._config: Any = {"configurable": {"thread_id": str(uuid4())}}
        self._values: Any = {}

    async def step(self, topic: str, answers: dict[str, str] | None) -> Any:
        asked = [(item.id, item.value) for item in self._values.get("__interrupt__", [])]
        given: Any = {"topic": topic} if answers is None else Command(resume=ids_for(asked, answers))
        self._values = await self._graph.ainvoke(given, self._config)
        return questions_of(self._values)


async def wait(sdk: LangGraphClient, thread_id: str, topic: str, before: Any, answers: dict[str, str] | None) -> Any:
    if answers is None:
        return await sdk.runs.wait(thread_id, "polling", input={"topic": topic})
    asked = [(item["id"], item["value"]) for item in before["__interrupt__"]]
    return await sdk.runs.wait(thread_id, "polling", command={"resume": ids_for(asked, answers)})


def ids_for(asked: list[tuple[str, Any]], answers: dict[str, str]) -> dict[str, str]:
    return {next(key for key, value in asked if value == {"q": name}): said for name, said in answers.items()}


def questions_of(values: Any) -> Any:
    """The values; of the questions only what is asked, in order."""
    asked = [item["value"] if isinstance(item, dict) else item.value for item in values.get("__interrupt__", [])]
    return {key: value for key, value in values.items() if key != "__interrupt__"}, asked


async def joined(sdk: LangGraphClient, thread_id: str) -> list[Any]:
    """What `join` answers for every run of the thread, the first one first."""
    runs = await sdk.runs.list(thread_id)
    return [await sdk.runs.join(thread_id, run["run_id"]) for run in reversed(runs)]


@pytest.mark.parametrize("topic", TOPICS)
async def test_wait_and_join_answer_with_all_questions_that_are_open(sdk: Sdk, topic: str) -> None:
    thread_id = (await sdk.threads.create())["thread_id"]
    plain, values, told = Plain(), None, []
    for answers in STEPS:
        values = await wait(sdk, thread_id, topic, values, answers)
        assert questions_of(values) == await plain.step(topic, answers)
        assert all(set(item) == {"id", "value", "response_schema"} for item in values.get("__interrupt__", []))
        told.append(values)
        assert await joined(sdk, thread_id) == told
        thread = await sdk.threads.get(thread_id)
        open_now = [item["id"] for items in thread["interrupts"].values() for item in items]
        assert sorted(open_now) == sorted(item["id"] for item in values.get("__interrupt__", []))
    assert [len(one.get("__interrupt__", [])) for one in told] == [3, 2, 1, 0]


async def test_an_answer_that_also_updates_the_state_is_told_as_it_was_then(sdk: Sdk) -> None:
    thread_id = (await sdk.threads.create())["thread_id"]
    first = await wait(sdk, thread_id, "quiet", None, None)
    told = [first]
    for name in "ab":
        asked = [(item["id"], item["value"]) for item in told[-1]["__interrupt__"]]
        command: Any = {"resume": ids_for(asked, {name: "!"}), "update": {"log": [f"update {name}"]}}
        told.append(await sdk.runs.wait(thread_id, "polling", command=command))
    assert await joined(sdk, thread_id) == told
    assert [[line for line in one["log"] if line.startswith("update")] for one in told] == [
        [],
        ["update a"],
        ["update a", "update b"],
    ]


async def test_a_stateless_run_answers_with_all_questions(sdk: Sdk) -> None:
    values = await sdk.runs.wait(None, "polling", input={"topic": "aloud"})
    assert questions_of(values) == await Plain().step("aloud", None)


async def test_chat_and_its_likes_tell_all_questions(raw: httpx.AsyncClient) -> None:
    _, asked = await Plain().step("", None)
    whole = (await raw.post("/chat", json={"message": "hi", "graph": "polling"})).json()
    assert [item["value"] for item in whole["interrupts"]] == asked
    chat = {"model": "polling", "messages": [{"role": "user", "content": "hi"}]}
    said = (await raw.post("/v1/chat/completions", json=chat)).json()["choices"][0]["message"]["content"]
    assert said == "\n\n".join(f'{{"q":"{item["q"]}"}}' for item in asked)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_the_next_process_tells_the_same(kind: str, tmp_path: Path) -> None:
    with (
        database_for(kind) as environment,
        running_server(tmp_path / "data", config=TRIAL_PROJECT, environment=environment) as server,
    ):
        async with get_client(url=server.url, api_key=None) as sdk:
            thread_id = (await sdk.threads.create())["thread_id"]
            first = await wait(sdk, thread_id, "aloud", None, None)
            second = await wait(sdk, thread_id, "aloud", first, {"b": "B"})
        server.kill()
        server.restart()
        async with get_client(url=server.url, api_key=None) as sdk:
            assert await joined(sdk, thread_id) == [first, second]
            third = await wait(sdk, thread_id, "aloud", second, {"a": "A"})
            assert await joined(sdk, thread_id) == [first, second, third]
    assert [item["value"] for item in third["__interrupt__"]] == [{"q": "c"}]
