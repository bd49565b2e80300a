"""Somebody else's `langgraph.json`, whose folders and modules are called like ours, is served with its own modules."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.acceptance.talking import chat
from tests.postgres import database_for
from tests.processes import LOOKALIKE_PROJECT, ServerProcess, running_server


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_project_with_folders_named_like_ours_gets_its_own_modules_and_ours_still_find_theirs(
    tmp_path: Path, database: str
) -> None:
    """One of the folders, `graphs`, has no `__init__.py`. A database or an index may load some of ours late."""
    with (
        database_for(database) as environment,
        running_server(tmp_path / "data", config=LOOKALIKE_PROJECT, environment=environment) as server,
        server.client() as client,
    ):
        values = client.post("/runs/wait", json={"assistant_id": "origins", "input": {}}).json()
        for key in ("a", "longer"):
            client.put("/store/items", json={"namespace": ["n"], "key": key, "value": {"text": key}}).raise_for_status()
        found = client.post("/store/items/search", json={"namespace_prefix": ["n"], "query": "a"}).json()["items"]
    assert {item["key"] for item in found if item["score"] is not None} == {"a", "longer"}
    assert values["origins"] == {
        "checkpoints": "lookalike",
        "server": "lookalike",
        "nodes": str(LOOKALIKE_PROJECT.parent / "nodes" / "answer.py"),
        "graphs": "graphs.origins",
        "greeting": "hello from the lookalike",
    }


def test_chat_takes_the_projects_first_graph_when_it_has_none_of_ours(lookalike_http: httpx.Client) -> None:
    answer = chat(lookalike_http, "hello")
    assert answer["graph"] == "moody"
    assert answer["response"] == "You said: hello"
    assert answer["model"] is None


def test_another_project_is_named_in_the_banner_without_our_model(lookalike: ServerProcess) -> None:
    assert "moody, origins" in lookalike.banner
    assert "Model" not in lookalike.banner
