"""The official `langgraph dev` serves the same `langgraph.json`, in a process of its own, without a `.env` at hand."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

from tests.acceptance.talking import wait_until
from tests.acceptance.test_starting import copied_project
from tests.acceptance.test_three_graphs import TASKS
from tests.processes import clean_environment


@dataclass(frozen=True)
class OfficialServer:
    process: subprocess.Popen[bytes]
    url: str
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def answers(self) -> bool:
        assert self.process.poll() is None, f"langgraph dev ended:\n{self.log[-6000:]}"
        try:
            return httpx.get(f"{self.url}/ok").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def langgraph_dev(project: Path, environment: Mapping[str, str]) -> Iterator[OfficialServer]:
    """`langgraph dev` in `project`; it writes beside `langgraph.json`, so a copy is served."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    official = {"LANGGRAPH_NO_VERSION_CHECK": "true", "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGSMITH_TRACING": "false"}
    command = [str(Path(sys.executable).with_name("langgraph")), "dev", "--no-browser", "--no-reload"]
    log_file = project.with_suffix(".log")
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=project,
            env=clean_environment({**official, "DATA_DIR": str(project / "data-dev"), **environment}),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield OfficialServer(process, f"http://127.0.0.1:{port}", log_file)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfficialServer]:
    project = copied_project(tmp_path_factory.mktemp("official") / "project")
    assert not (project / ".env").exists()
    with langgraph_dev(project, {}) as server:
        wait_until(server.answers, what="langgraph dev")
        yield server


async def test_it_lists_the_three_graphs_with_their_descriptions(official: OfficialServer) -> None:
    async with get_client(url=official.url) as client:
        found = await client.assistants.search()
    assert {assistant["graph_id"] for assistant in found} == {"react", "plan_execute", "tree_of_thought"}
    assert all(assistant.get("description") for assistant in found)


@pytest.mark.parametrize(("graph", "message", "answer"), TASKS)
async def test_each_graph_runs_on_a_thread_there(
    official: OfficialServer, graph: str, message: str, answer: str
) -> None:
    async with get_client(url=official.url) as client:
        thread = await client.threads.create()
        given: dict[str, Any] = {"messages": [{"role": "user", "content": message}]}
        values: Any = await client.runs.wait(thread["thread_id"], graph, input=given)
        assert answer in values["messages"][-1]["content"]
        state: Any = await client.threads.get_state(thread["thread_id"])
        assert state["values"]["messages"][-1]["content"] == values["messages"][-1]["content"]


def test_without_key_and_model_it_refuses_and_names_both_remedies(tmp_path: Path) -> None:
    project = copied_project(tmp_path / "project")
    with langgraph_dev(project, {"MODEL": "", "OPENAI_API_KEY": ""}) as server:
        wait_until(lambda: server.process.poll() is not None, what="the refusal")
        assert server.process.returncode != 0
        assert "MODEL=offline" in server.log
        assert "OPENAI_API_KEY" in server.log
