"""One browser and one slow-spoken server for all tests of the inspector, and a fresh page for each.

All tests here are plain functions: while Playwright's own event loop lives, no other can run in this thread.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.inspector.chromium import running_browser
from tests.inspector.page import Inspector
from tests.processes import ServerProcess, running_server

TOKEN_DELAY = "0.04"
"""Seconds before each token: slow enough to come in between, fast enough to be waited for."""


PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="package")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The shipped graphs on one port for good, with a model that takes its time over every token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"OFFLINE_TOKEN_DELAY": TOKEN_DELAY}
    data_dir = tmp_path_factory.mktemp("talker") / "data"
    with running_server(data_dir, environment=environment, arguments=["--port", str(port)]) as server:
        yield server


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complains of: errors of scripts, breaches of the policy. Left over, they fail the test."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """A page in a context of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    page.on("console", listen)
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def inspector(page: Page, shipped: ServerProcess) -> Inspector:
    """The inspector of the session's server, which answers at once."""
    return Inspector(page, shipped)


@pytest.fixture
def slow_inspector(page: Page, talker: ServerProcess) -> Inspector:
    return Inspector(page, talker)
