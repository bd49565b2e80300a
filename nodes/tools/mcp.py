"""Tools of MCP servers, named in the environment; needs the extra `mcp`.

`MCP_SERVERS` is a JSON object of connections by name, as langchain-mcp-adapters takes them, such as
`{"files": {"transport": "stdio", "command": "python", "args": ["server.py"]}}`. A server's tools are asked for when
the graph is loaded, and carry its name in front of theirs. A server that does not answer costs only its own tools: the
log says so, and it is asked again later. A call opens a session of its own, so that a server that was restarted is
simply used again.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from threading import Thread
from typing import Any

from langchain_core.tools import BaseTool
from pydantic import ValidationError

START_SECONDS = 10.0
"""Longest wait for a server's list of tools; all servers are asked at once."""
RETRY_SECONDS = 30.0
"""Pause before a server that did not answer is asked again."""

logger = logging.getLogger(__name__)


class McpConfigurationError(ValueError):
    """MCP_SERVERS cannot be used; the message says why."""


class McpServers:
    """The tools of the servers in `servers` (the JSON of MCP_SERVERS), as far as they answer. `clock` is monotonic.

    Raises `McpConfigurationError` when the package is missing or the JSON is wrong.
    """

    def __init__(self, servers: str, clock: Callable[[], float] = time.monotonic) -> None:
        connections = _connections(servers)
        self._clock = clock
        self._client = _client(connections)
        self._tools: dict[str, list[BaseTool]] = {}
        self._down = set(connections)
        self._answers: dict[str, list[BaseTool] | BaseException] = {}
        self._asking = self._ask()
        self.wait()
        for server, answer in self._answers.items():
            if isinstance(answer, TypeError | ValueError) and not isinstance(answer, ValidationError):
                raise McpConfigurationError(f"MCP_SERVERS, server {server!r}: {answer}") from answer
        self._sort_answers()

    def tools(self) -> Sequence[BaseTool]:
        """The tools of the servers that have answered. Asks the others again when it is time, without waiting."""
        if not self._asking.is_alive():
            self._sort_answers()
            if self._down and self._clock() >= self._again_at:
                self._asking = self._ask()
        return [tool for server in sorted(self._tools) for tool in self._tools[server]]

    def why_missing(self, name: str) -> str | None:
        """Why there is no tool of that name, if it would be a tool of a server that does not answer."""
        server = next((server for server in self._down if name.startswith(f"{server}_")), None)
        return f"the MCP server {server!r} does not answer; it is tried again later" if server else None

    def wait(self) -> None:
        """Wait until the servers that are being asked have answered or had their time."""
        self._asking.join(2 * START_SECONDS)

    def _ask(self) -> Thread:
        """Ask every server that is down, in a thread of its own: graphs are loaded beside running event loops."""
        self._again_at = self._clock() + RETRY_SECONDS
        servers = sorted(self._down)

        async def listed(server: str) -> list[BaseTool]:
            async with asyncio.timeout(START_SECONDS):
                tools: list[BaseTool] = await self._client.get_tools(server_name=server)
                return tools

        async def ask() -> None:
            answers = await asyncio.gather(*map(listed, servers), return_exceptions=True)
            self._answers = dict(zip(servers, answers, strict=True))

        asking = Thread(target=asyncio.run, args=(ask(),), name="mcp-servers", daemon=True)
        asking.start()
        return asking

    def _sort_answers(self) -> None:
        answers, self._answers = self._answers, {}
        for server, answer in answers.items():
            if isinstance(answer, BaseException):
                logger.warning(
                    "MCP server %s does not answer (%s): its tools are missing; asked again in %g s at the earliest",
                    server,
                    _innermost(answer),
                    RETRY_SECONDS,
                )
            else:
                logger.info("MCP server %s offers %s", server, ", ".join(tool.name for tool in answer))
                self._tools[server] = answer
                self._down.discard(server)


def _connections(servers: str) -> dict[str, Any]:
    try:
        connections = json.loads(servers)
    except ValueError as error:
        raise McpConfigurationError(f"MCP_SERVERS is no JSON: {error}") from error
    if not isinstance(connections, dict) or not all(isinstance(one, dict) for one in connections.values()):
        raise McpConfigurationError("MCP_SERVERS must be an object of connections by name")
    return connections


def _client(connections: dict[str, Any]) -> Any:
    try:
        made = import_module("langchain_mcp_adapters.client").MultiServerMCPClient
    except ImportError as error:
        raise McpConfigurationError("MCP_SERVERS needs the extra: pip install '.[mcp]'") from error
    return made(connections, tool_name_prefix=True)


def _innermost(error: BaseException) -> str:
    """The class of the error at the bottom; its text may hold an address with a key in it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
