"""The MCP endpoint through the official client: each assistant is a tool."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client

from tests.api.sdk import Sdk
from tests.api_requirements import requirement
from tests.processes import ServerProcess


@asynccontextmanager
async def session_with(server: ServerProcess) -> AsyncIterator[ClientSession]:
    async with (
        streamable_http_client(f"{server.url}/mcp") as (incoming, outgoing, _),
        ClientSession(incoming, outgoing) as session,
    ):
        await session.initialize()
        yield session


def said(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


@requirement("mcp.tools")
async def test_every_assistant_is_a_tool_with_its_graphs_input(trial: ServerProcess, sdk: Sdk) -> None:
    made = await sdk.assistants.create("steps", name="My steps", description="Takes three steps.")
    async with session_with(trial) as session:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert {"echo", "asking", "steps"} < tools.keys()
        mine = tools[made["assistant_id"]]
        assert (mine.title, mine.description) == ("My steps", "Takes three steps.")
        assert "note" in mine.inputSchema["properties"]
        result = await session.call_tool(made["assistant_id"], {"note": "x"})
        assert (result.isError, result.structuredContent is not None) == (False, True)
    await sdk.assistants.delete(made["assistant_id"])


@requirement("mcp.calls")
async def test_a_call_is_a_run_and_what_goes_wrong_is_told(trial: ServerProcess) -> None:
    async with session_with(trial) as session:
        answer = await session.call_tool("echo", {"messages": [{"role": "user", "content": "hi"}]})
        assert (said(answer), answer.isError) == ("echo: hi", False)
        for name, given, problem in (
            ("failing", {"how": "raise"}, "boom on purpose"),
            ("asking", {"topic": "tea"}, "first about tea?"),
            ("nobody", {}, "nobody"),
        ):
            refused = await session.call_tool(name, given)
            assert (refused.isError, problem in said(refused)) == (True, True)


@requirement("mcp.http")
async def test_the_endpoint_is_stateless_and_refuses_what_is_no_message(raw: httpx.AsyncClient) -> None:
    body = {
        "jsonrpc": "2.0",
        "id": 5,
        "method": "tools/call",
        "params": {"name": "echo", "arguments": {"messages": "x"}},
    }
    answer = await raw.post("/mcp", json=body)
    assert (answer.status_code, answer.json()["id"]) == (200, 5)
    assert answer.json()["result"]["content"][0]["text"] == "echo: x"
    assert "mcp-session-id" not in answer.headers
    assert (await raw.post("/mcp", content=b"{")).status_code == 400
    assert (await raw.get("/mcp")).status_code == 405
