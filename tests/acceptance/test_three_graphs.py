"""Each shipped graph does real work with the offline model, over `/chat` and over the SDK."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

from tests.processes import ServerProcess

TASKS = [
    ("react", "what is 17.5% of 2,340?", "409.5"),
    ("plan_execute", "add 12 and 30, then multiply the result by 7", "294"),
    ("tree_of_thought", "4 9 10 13", "= 24"),
]


@pytest.mark.parametrize(("graph", "message", "answer"), TASKS)
def test_each_graph_answers_over_chat(http: httpx.Client, graph: str, message: str, answer: str) -> None:
    reply = http.post("/chat", json={"message": message, "graph": graph})
    assert reply.status_code == 200, reply.text
    said = reply.json()
    assert answer in said["response"]
    assert said["graph"] == graph
    assert said["model"] == "offline"
    assert said["duration"] > 0
    assert said["usage"]["total_tokens"] > 0
    assert said["user_id"] is None
    if graph != "tree_of_thought":
        assert set(said["tools_used"]) == {"calculator"}


@pytest.mark.parametrize(("graph", "message", "answer"), TASKS)
async def test_each_graph_answers_over_the_sdk(shipped: ServerProcess, graph: str, message: str, answer: str) -> None:
    async with get_client(url=shipped.url) as client:
        thread = await client.threads.create()
        given: dict[str, Any] = {"messages": [{"role": "user", "content": message}]}
        names = [part.event async for part in client.runs.stream(thread["thread_id"], graph, input=given)]
        assert names[0] == "metadata"
        assert names[-1] == "end"
        state: Any = await client.threads.get_state(thread["thread_id"])
        assert answer in state["values"]["messages"][-1]["content"]
        values: Any = await client.runs.wait(thread["thread_id"], graph, input=given)
        assert len(values["messages"]) > len(state["values"]["messages"])
        runs = await client.runs.list(thread["thread_id"])
        assert [run["status"] for run in runs] == ["success", "success"]


def test_the_puzzle_is_answered_with_its_path_and_an_answer_line(http: httpx.Client) -> None:
    lines = (
        http.post("/chat", json={"message": "4 9 10 13", "graph": "tree_of_thought"}).json()["response"].splitlines()
    )
    assert len([line for line in lines if "(left:" in line]) == 3
    expression = lines[-1].removeprefix("Answer: ").removesuffix(" = 24")
    assert eval(expression) == 24
