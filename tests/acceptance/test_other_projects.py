"""Somebody else's `langgraph.json`, whose folders and modules are called like ours, is served with its own modules."""

from __future__ import annotations

import httpx

from tests.acceptance.talking import chat
from tests.processes import LOOKALIKE_PROJECT, ServerProcess


def test_a_project_with_folders_named_like_ours_gets_its_own_modules(lookalike_http: httpx.Client) -> None:
    values = lookalike_http.post("/runs/wait", json={"assistant_id": "origins", "input": {}}).json()
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
