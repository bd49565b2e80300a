"""Tools of a real MCP server, which runs in a process of its own."""

import json
import re
import sys
from pathlib import Path

import pytest

from graphs.react import build
from nodes.context import ModelContext
from nodes.models import EnvironmentModels
from nodes.plan_schema import plan_schema
from nodes.tools.calculator import calculator
from nodes.tools.mcp import RETRY_SECONDS, McpConfigurationError, McpServers
from nodes.tools.standard import StandardToolkit
from nodes.tools.toolkit import Toolkit

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


@pytest.mark.fault("tool.server_down")
async def test_a_server_that_is_down_costs_its_own_tools_alone_until_it_answers(
    servers: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    there = json.loads(servers)["words"]
    (tmp_path / "words.py").rename(tmp_path / "away.py")
    more = {"letters": {**there, "args": [str(tmp_path / "letters.py")]}}
    (tmp_path / "letters.py").write_text(SERVER)
    now = 0.0
    source = McpServers(json.dumps({"words": there, **more}), lambda: now)
    kit = Toolkit([calculator], source=source)

    chosen = ModelContext(tools=("calculator", "words_count"))  # an assistant's choice must not fail its runs
    assert [tool.name for tool in kit.offered(chosen)] == ["calculator"]
    assert [tool.name for tool in kit.offered(ModelContext())] == ["calculator", "letters_count"]
    # In words of the client's: it may have gone before the first message was sent, or after.
    assert re.search(r"MCP server words does not answer \(\w+\): its tools are missing", caplog.text)
    call = {"name": "words_count", "args": {"text": "one two"}, "id": "1", "type": "tool_call"}
    result = await kit.run(call, {}, ModelContext())
    assert result.text.endswith("the MCP server 'words' does not answer; it is tried again later")

    (tmp_path / "away.py").rename(tmp_path / "words.py")
    source.wait()
    assert [tool.name for tool in kit.offered(chosen)] == ["calculator"]  # not yet
    now = RETRY_SECONDS
    kit.offered(chosen)
    source.wait()
    assert [tool.name for tool in kit.offered(chosen)] == ["calculator", "words_count"]
    assert (await kit.run(call, {}, ModelContext())).text == "2"


@pytest.mark.parametrize(
    "server",
    [
        {"transport": "stdio", "command": "/nonexistent", "args": []},
        {"transport": "streamable_http", "url": "http://127.0.0.1:9/mcp"},
    ],
)
def test_the_graphs_load_while_a_server_is_down(server: dict) -> None:
    kit = StandardToolkit({"MCP_SERVERS": json.dumps({"far": server})})
    assert build(EnvironmentModels({"MODEL": "offline"}), kit)
    assert "calculator" in [tool.name for tool in kit.tools]


@pytest.mark.parametrize(
    ("servers", "says"),
    [
        ("{", "no JSON"),
        ("[]", "must be an object of connections by name"),
        ('{"x": {}}', "server 'x'.*Missing 'transport'"),
        ('{"x": {"transport": "stdio", "comand": "python"}}', "'command' parameter is required"),
    ],
)
def test_a_configuration_that_can_never_work_is_an_error_when_the_graph_loads(servers: str, says: str) -> None:
    with pytest.raises(McpConfigurationError, match=says):
        McpServers(servers)
