"""The door for clients of the Model Context Protocol: streamable HTTP, one JSON answer a request, no sessions."""

from __future__ import annotations

from importlib import import_module

from fastapi import APIRouter
from starlette.responses import Response

from threadkeep.api.requests import CallerOf, EngineOf
from threadkeep.api.routing import Route
from threadkeep.errors import UnsupportedError

router = APIRouter(tags=["MCP"], route_class=Route)


@router.post("/mcp")
async def answer_mcp(engine: EngineOf, caller: CallerOf) -> Response:
    """One message of the Model Context Protocol: initialize, tools/list (each assistant is a tool), tools/call."""
    try:
        tools = import_module("threadkeep.api.mcp_tools")
    except ImportError:
        raise UnsupportedError("MCP needs another package: pip install '.[mcp]' in the server's folder.") from None
    answer: Response = tools.McpAnswer(tools.AssistantTools(engine, caller).server())
    return answer
