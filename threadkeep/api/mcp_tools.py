"""Every assistant as a tool of an MCP server, by the official `mcp` package, which has to be installed for this.

Nothing is kept between requests, so there is no session to lose; each call is a run on a thread of its own.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from fastapi import Request
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import StreamableHTTPServerTransport
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from threadkeep import __version__, json
from threadkeep.api.answers import answer_of
from threadkeep.api.bodies import loads, once_more, reading, sent_with
from threadkeep.api.graph_schemas import graph_schemas
from threadkeep.api.responses import final_values
from threadkeep.callers import Caller
from threadkeep.engine import Engine
from threadkeep.errors import ThreadkeepError
from threadkeep.runs.accept import RunRequest
from threadkeep.storage.assistants import Assistant, AssistantQuery

_ALL = 10_000
_ANYTHING = {"type": "object", "additionalProperties": True}


class McpAnswer(Response):
    """The `mcp` package's own answer to the request that is still to be read."""

    def __init__(self, server: Server[Any, Any]) -> None:
        super().__init__()
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = await sent_with(Request(scope, receive))
        with suppress(ValueError):  # of what is no JSON the package tells in its own words
            await reading(sent, loads)
        # The package takes no `*/*` for it, which is what curl and others say.
        MutableHeaders(scope=scope)["accept"] = "application/json"
        transport = StreamableHTTPServerTransport(mcp_session_id=None, is_json_response_enabled=True)
        connected = asyncio.Event()

        async def serve() -> None:
            async with transport.connect() as (incoming, outgoing):
                connected.set()
                await self._server.run(incoming, outgoing, self._server.create_initialization_options(), stateless=True)

        serving = asyncio.create_task(serve())
        try:
            await connected.wait()
            await transport.handle_request(scope, once_more(sent, receive), send)
        finally:
            await transport.terminate()
            await asyncio.gather(serving, return_exceptions=True)


class AssistantTools:
    """The assistants that a caller may use, as tools."""

    def __init__(self, engine: Engine, caller: Caller) -> None:
        self._engine = engine
        self._caller = caller

    def server(self) -> Server[Any, Any]:
        made: Server[Any, Any] = Server("threadkeep", version=__version__)
        made.request_handlers[types.ListToolsRequest] = self.list
        made.request_handlers[types.CallToolRequest] = self.call
        return made

    async def list(self, _request: types.ListToolsRequest) -> types.ServerResult:
        caller = await self._engine.gate.allow(self._caller, "assistants", "search", {"metadata": {}})
        found, _ = await self._engine.assistants.search(AssistantQuery(limit=_ALL, descending=False), caller)
        # Gathered, because a factory may fail without a run's configuration: then its graph is no tool, the rest are.
        tools = await asyncio.gather(*(self._tool(one) for one in found), return_exceptions=True)
        shown = [tool for tool in tools if isinstance(tool, types.Tool)]
        return types.ServerResult(types.ListToolsResult(tools=shown))

    async def _tool(self, assistant: Assistant) -> types.Tool | None:
        if assistant.graph_id not in self._engine.graphs.ids:
            return None
        bound = self._engine.graphs.bound(assistant.graph_id, assistant.config, access="assistants.read")
        async with bound as graph:
            schema = graph_schemas(graph)["input_schema"]
        return types.Tool(
            name=assistant.graph_id if assistant.is_system else assistant.assistant_id,
            title=assistant.name,
            description=assistant.description or f"Runs the graph {assistant.graph_id} to its end.",
            inputSchema=schema if schema is not None and schema.get("type") == "object" else dict(_ANYTHING),
        )

    async def call(self, request: types.CallToolRequest) -> types.ServerResult:
        """What the run came to; what went wrong is told to the model that called, as MCP has it."""
        try:
            text, values, wrong = await self._run(request.params.name, request.params.arguments or {})
        except ThreadkeepError as error:
            text, values, wrong = str(error), None, True
        content: list[types.ContentBlock] = [types.TextContent(type="text", text=text)]
        return types.ServerResult(types.CallToolResult(content=content, structuredContent=values, isError=wrong))

    async def _run(self, name: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any] | None, bool]:
        """The answer as text, the final values, and whether the call failed."""
        metadata: dict[str, Any] = {}
        asked = {"assistant_id": name, "input": arguments, "metadata": metadata}
        caller = await self._engine.gate.allow(self._caller, "threads", "create_run", asked)
        request = RunRequest(assistant_id=name, input=arguments, metadata=metadata)
        accepted = await self._engine.acceptance.accept(request, caller, thread_id=None)
        values = json.to_jsonable(await final_values(self._engine, accepted.run, accepted.stream))
        if not isinstance(values, dict):
            return json.dumps_text(values), None, False
        if "__error__" in values:
            return f"The run failed: {values['__error__']['message']}", None, True
        if questions := values.get("__interrupt__"):
            told = json.dumps_text([item["value"] for item in questions])
            return f"The graph stopped to ask, and a tool call cannot answer: {told}", None, True
        answer = answer_of(values)
        return json.dumps_text(values) if answer is None else answer, values, False
