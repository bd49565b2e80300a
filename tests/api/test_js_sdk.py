"""The JavaScript SDK from npm, under node, against a running server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.api_requirements import requirement
from tests.npm import INSTALL_SECONDS, npm_package
from tests.processes import ServerProcess

VERSION = "1.15.0"
WEB_SOCKET = "ws@8.18.3"  # what older versions of node lack
CHECKS = Path(__file__).parent / "js" / "checks.mjs"


@pytest.fixture(scope="module")
def sdk_folder() -> Path:
    """A folder outside the repository that has the SDK in its node_modules."""
    return npm_package("@langchain/langgraph-sdk", VERSION, WEB_SOCKET)


@pytest.mark.timeout(INSTALL_SECONDS + 120)
@requirement("js.streams", "js.wait", "js.interrupts", "js.reconnect", "js.threads", "js.assistants", "js.store")
@requirement("js.crons", "js.thread_stream", "js.thread_socket", "js.thread_reconnect", "js.controller")
@pytest.mark.parametrize(
    "check",
    [
        "streams",
        "wait",
        "interrupts",
        "reconnect",
        "threads",
        "assistants",
        "store",
        "crons",
        "threadStream",
        "threadSocket",
        "threadReconnect",
        "controller",
        "controllerAsks",
        "controllerStops",
    ],
)
def test_the_javascript_sdk_works_unchanged(trial: ServerProcess, sdk_folder: Path, check: str) -> None:
    script = sdk_folder / "checks.mjs"
    script.write_bytes(CHECKS.read_bytes())
    environment = {"PATH": os.environ["PATH"], "HOME": str(sdk_folder)}
    command = ["node", str(script), trial.url, check]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
