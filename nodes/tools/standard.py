"""The tools of the shipped graphs, as the environment configures them."""

import os
from collections.abc import Mapping
from pathlib import Path

from langchain_core.tools import BaseTool

from nodes.tools.calculator import calculator
from nodes.tools.clock import clock_tool
from nodes.tools.documents import DocumentIndex, document_tool
from nodes.tools.fetch import fetch_tool
from nodes.tools.guard import ToolPolicy
from nodes.tools.mcp import McpServers
from nodes.tools.toolkit import Toolkit
from nodes.tools.user_memory import USER_MEMORY
from nodes.tools.web_search import SearxngSearch, web_search_tool

DEFAULT_DOCUMENTS = Path(__file__).parents[2] / "docs"


class StandardToolkit(Toolkit):
    """Calculator, clock, document search and user memory; whatever leaves this machine only when switched on.

    `DOCUMENTS_DIR` is the folder searched, `FETCH=on` allows fetching public web pages, `SEARXNG_URL` names a search
    engine, `MCP_SERVERS` the MCP servers whose tools are offered too.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        documents = DocumentIndex(Path(environ.get("DOCUMENTS_DIR") or DEFAULT_DOCUMENTS))
        tools: list[BaseTool] = [calculator, clock_tool(), document_tool(documents)]
        if environ.get("FETCH", "").lower() in ("on", "1", "true", "yes"):
            tools.append(fetch_tool())
        if url := environ.get("SEARXNG_URL"):
            tools.append(web_search_tool(SearxngSearch(url)))
        servers = environ.get("MCP_SERVERS")
        source = McpServers(servers) if servers else None
        slow = ToolPolicy(timeout=30.0, calls=20)
        super().__init__(tools, USER_MEMORY, policies={"fetch_page": slow, "search_web": slow}, source=source)
