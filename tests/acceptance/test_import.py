"""Threads that langgraph-checkpoint-sqlite stored elsewhere are taken over with their whole history."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from tests.processes import TRIAL_PROJECT, ServerProcess, run_to_end
from tests.projects.trial.trial_graphs.echo import graph


async def test_threads_of_the_stock_saver_are_imported_listed_and_gone_on_with(tmp_path: Path) -> None:
    thread_id, stock, data_dir = str(uuid4()), tmp_path / "elsewhere.sqlite", tmp_path / "data"
    async with AsyncSqliteSaver.from_conn_string(str(stock)) as saver:
        bound: Any = graph.copy({"checkpointer": saver})
        for text in ("one", "two"):
            await bound.ainvoke({"messages": [HumanMessage(text)]}, {"configurable": {"thread_id": thread_id}})
    done = run_to_end("import", str(stock), "--graph", "echo", "--data", str(data_dir))
    assert done.returncode == 0, done.stderr
    assert "1 threads with 6 checkpoints imported" in done.stdout
    again = run_to_end("import", str(stock), "--graph", "echo", "--data", str(data_dir))
    assert "0 threads with 0 checkpoints imported; 1 were there already" in again.stdout
    server = ServerProcess(data_dir, TRIAL_PROJECT).start()
    try:
        with server.client() as http:
            [listed] = http.post("/threads/search", json={"metadata": {"graph_id": "echo"}}).json()
            assert listed["thread_id"] == thread_id
            assert len(http.get(f"/threads/{thread_id}/history?limit=100").json()) == 6
            given = {"messages": [{"role": "user", "content": "three"}]}
            values = http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": given}).json()
            assert [message["content"] for message in values["messages"]][-2:] == ["three", "echo: three"]
            assert len(values["messages"]) == 6
    finally:
        server.kill()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    refused = run_to_end("import", str(tmp_path / "missing.sqlite"), "--data", str(tmp_path / "data"))
    assert refused.returncode == 2
    assert "missing.sqlite" in refused.stderr
