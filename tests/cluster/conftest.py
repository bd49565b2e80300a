"""Three servers, each a process with a folder of its own, and one PostgreSQL database under them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import TRIAL_PROJECT, ServerProcess

LEASE_SECONDS = 1.0


@pytest.fixture
def servers(tmp_path: Path, postgres_uri: str) -> Iterator[list[ServerProcess]]:
    environment = {
        "DATABASE_URI": postgres_uri,
        "DATABASE_POOL_SIZE": "6",
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "WEBHOOK_TRUSTED_HOSTS": "127.0.0.1",
    }
    started = [ServerProcess(tmp_path / f"server-{number}", TRIAL_PROJECT, environment) for number in range(3)]
    try:
        for server in started:
            server.start()
        yield started
    finally:
        for server in started:
            if server.process is not None:
                server.kill()
