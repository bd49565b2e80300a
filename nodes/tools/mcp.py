"""Tools of MCP servers, named in the environment; needs the extra `threadkeep[mcp]`.

`MCP_SERVERS` is a JSON object of connections by name, as langchain-mcp-adapters takes them, such as
`{"files": {"transport": "stdio", "command": "python", "args": ["server.py"]}}`. A server's tools are asked for when
the graph is loaded, and carry its name in front of theirs. A call opens a session of its own, so that a server that
was restarted is simply used again.
"""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from langchain_core.tools import BaseTool

START_SECONDS = 30.0


class McpConfigurationError(ValueError):
    """MCP_SERVERS cannot be used; the message says why."""


def mcp_tools(servers: str) -> list[BaseTool]:
    """The tools of every server in `servers` (the JSON of MCP_SERVERS).

    Raises `McpConfigurationError` when the package is missing, the JSON is wrong or a server does not answer: a graph
    that silently lacks its tools would be worse than one that does not load.
    """
    try:
        connections: dict[str, Any] = json.loads(servers)
        client = import_module("langchain_mcp_adapters.client").MultiServerMCPClient
    except ValueError as error:
        raise McpConfigurationError(f"MCP_SERVERS is no JSON: {error}") from error
    except ImportError as error:
        raise McpConfigurationError("MCP_SERVERS needs the extra: pip install 'threadkeep[mcp]'") from error

    async def listed() -> list[BaseTool]:
        async with asyncio.timeout(START_SECONDS):
            tools: list[BaseTool] = await client(connections, tool_name_prefix=True).get_tools()
            return tools

    # Graphs are loaded by a plain import, often with an event loop running in this thread; so in another one.
    with ThreadPoolExecutor(1) as aside:
        try:
            return aside.submit(asyncio.run, listed()).result()
        except (OSError, TimeoutError, ValueError, TypeError, ExceptionGroup) as error:
            raise McpConfigurationError(f"an MCP server of MCP_SERVERS did not answer: {error}") from error
