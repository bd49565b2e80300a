"""Servers that want to know who asks, and people with keys to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import ROOT, ServerProcess, run_to_end, running_server

GUARDED = ROOT / "tests/projects/guarded"


def new_key(data: Path, owner: str, *options: str) -> str:
    made = run_to_end("keys", "new", owner, *options, "--data", str(data))
    assert made.returncode == 0, made.stderr
    return made.stdout.splitlines()[0]


class People:
    """Clients of one server with API keys, by their owner's name."""

    def __init__(self, server: ServerProcess, keys: dict[str, str]) -> None:
        self.server = server
        self.keys = keys
        self._open: dict[str, httpx.Client] = {}

    def __getattr__(self, name: str) -> httpx.Client:
        if name not in self._open:
            headers = {"x-api-key": self.keys[name]} if name in self.keys else {}
            self._open[name] = httpx.Client(base_url=self.server.url, timeout=60, headers=headers)
        return self._open[name]

    def close(self) -> None:
        for client in self._open.values():
            client.close()


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """`ada` and `bob` have plain keys; `reader` may only read, `boss` sees all, `agent` acts for others."""
    data = tmp_path_factory.mktemp("guarded")
    keys = {
        "ada": new_key(data, "ada@example.org"),
        "bob": new_key(data, "bob"),
        "reader": new_key(data, "ada@example.org", "--scope", "read_only"),
        "boss": new_key(data, "boss", "--scope", "admin"),
        "agent": new_key(data, "agent", "--scope", "act_for"),
    }
    environment = {"API_KEYS": "1", "LOG_FORMAT": "json"}
    with running_server(data, config=GUARDED / "langgraph.json", environment=environment) as server:
        made = People(server, keys)
        try:
            yield made
        finally:
            made.close()
