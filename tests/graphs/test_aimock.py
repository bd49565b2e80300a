"""The graphs against a second, independent model server: @copilotkit/aimock from npm."""

import json
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graphs.plan_execute import build as plan_execute
from graphs.react import build as react
from graphs.tree_of_thought import build as tree_of_thought
from nodes.models import EnvironmentModels, ModelChoice
from tests.graphs.asking import asked, results
from tests.npm import INSTALL_SECONDS, npm_package

VERSION = "1.43.0"
pytestmark = pytest.mark.timeout(INSTALL_SECONDS + 120)

STEPS = [{"id": "s1", "task": "add", "tool": "calculator", "args": {"expression": "12 + 30"}, "depends_on": []}]
FIXTURES = [
    {
        "match": {"userMessage": "percent", "hasToolResult": False},
        "response": {"toolCalls": [{"name": "calculator", "arguments": '{"expression": "10% of 50"}'}]},
    },
    {"match": {"userMessage": "percent", "hasToolResult": True}, "response": {"content": "It is five, I computed."}},
    {"match": {"userMessage": "twelve"}, "response": {"content": json.dumps({"steps": STEPS})}},
    {"match": {"userMessage": '"output": "42"'}, "response": {"content": "Forty-two."}},
    {"match": {"userMessage": '"thoughts": []'}, "response": {"content": '{"thoughts": ["think of rain"]}'}},
    {"match": {"userMessage": "think of rain"}, "response": {"content": "Rain, then."}},
]


@pytest.fixture(scope="module")
def aimock() -> Path:
    return npm_package("@copilotkit/aimock", VERSION) / "node_modules" / "@copilotkit" / "aimock"


@pytest.fixture
async def models(tmp_path: Path, aimock: Path) -> AsyncIterator[EnvironmentModels]:
    (tmp_path / "fixtures.json").write_text(json.dumps({"fixtures": FIXTURES}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["node", str(aimock / "dist" / "cli.js"), "-p", str(port), "-f", str(tmp_path / "fixtures.json")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until_it_listens(port)
        made = EnvironmentModels({"MODEL": "openai:mocked", "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"})
        yield made
        await made(ModelChoice()).root_async_client.close()  # it keeps connections alive, beyond the test's event loop
    finally:
        process.terminate()
        process.wait(10)


def wait_until_it_listens(port: int, bound: float = 20.0) -> None:
    end = time.monotonic() + bound
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise TimeoutError("aimock does not listen")


async def test_react_calls_a_tool_and_streams_its_answer(models: EnvironmentModels) -> None:
    chunks = []
    async for mode, chunk in react(models).astream(asked("some percent"), stream_mode=["messages", "values"]):
        if mode == "values":
            state = chunk
        elif chunk[0].type == "AIMessageChunk" and chunk[0].text:
            chunks.append(chunk[0].text)
    assert results(state) == [("success", "5")]
    assert "".join(chunks) == state["messages"][-1].text == "It is five, I computed."
    assert len(chunks) > 1


async def test_a_plan_asked_for_by_json_schema_is_carried_out(models: EnvironmentModels) -> None:
    state = await plan_execute(models).ainvoke(asked("twelve and thirty"))
    assert [step["output"] for step in state["plan"]] == ["42"]
    assert state["messages"][-1].text == "Forty-two."


async def test_thoughts_are_had_and_answered_from(models: EnvironmentModels) -> None:
    state = await tree_of_thought(models).ainvoke(asked("why does it pour?"), context={"depth": 1})
    assert state["messages"][-1].text == "Rain, then."
