"""The MCP endpoint where people log in: one's own assistants alone, and no run for who may only read."""

from __future__ import annotations

from typing import Any

import httpx

from tests.auth.conftest import People


def ask(client: httpx.Client, method: str, **params: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = client.post("/mcp", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def test_tools_are_ones_own_and_run_for_oneself(people: People) -> None:
    mine = people.ada.post("/assistants", json={"graph_id": "whoami", "name": "mine"}).json()["assistant_id"]

    def names(client: httpx.Client) -> set[str]:
        return {tool["name"] for tool in ask(client, "tools/list")["tools"]}

    assert names(people.ada) - names(people.bob) >= {mine}
    assert "whoami" in names(people.bob)
    told = ask(people.ada, "tools/call", name=mine, arguments={})
    assert told["structuredContent"]["who"]["identity"] == "ada@example.org"
    for client, words in ((people.bob, "not found"), (people.reader, "may only read")):
        refused = ask(client, "tools/call", name=mine, arguments={})
        assert (refused["isError"], words in refused["content"][0]["text"]) == (True, True)
    assert people.nobody.post("/mcp", json={}).status_code == 401
