"""Tools of a real MCP server, which runs in a process of its own."""

import json
import sys
from pathlib import Path

import pytest

from nodes.context import ModelContext
from nodes.plan_schema import plan_schema
from nodes.tools.mcp import McpConfigurationError, mcp_tools
from nodes.tools.standard import StandardToolkit

SERVER = """
from mcp.server.fastmcp import FastMCP
server = FastMCP("words", log_level="ERROR")

@server.tool()
def count(text: str) -> str:
    "Count the words."
    if not text:
        raise ValueError("there are no words")
    return str(len(text.split()))

server.run()
"""


@pytest.fixture
def servers(tmp_path: Path) -> str:
    (tmp_path / "words.py").write_text(SERVER)
    connection = {"transport": "stdio", "command": sys.executable, "args": [str(tmp_path / "words.py")]}
    return json.dumps({"words": connection})


async def test_a_servers_tools_are_offered_under_its_name_and_run(servers: str) -> None:
    kit = StandardToolkit({"MCP_SERVERS": servers})
    assert "words_count" in [tool.name for tool in kit.offered(ModelContext())]
    assert "words_count" in json.dumps(plan_schema(kit.tools, 5))
    results = []
    for text in ("one two three", ""):
        call = {"name": "words_count", "args": {"text": text}, "id": "1", "type": "tool_call"}
        result = await kit.run(call, {}, ModelContext())
        results.append((result.status, result.text))
    assert results[0] == ("success", "3")
    assert results[1][0] == "error"
    assert "there are no words" in results[1][1]


@pytest.mark.parametrize(
    ("servers", "says"),
    [
        ("{", "no JSON"),
        ('{"x": {}}', "Missing 'transport'"),
        ('{"x": {"transport": "stdio", "command": "/nonexistent", "args": []}}', "did not answer"),
    ],
)
def test_servers_that_cannot_be_used_are_an_error_when_the_graph_loads(servers: str, says: str) -> None:
    with pytest.raises(McpConfigurationError, match=says):
        mcp_tools(servers)
