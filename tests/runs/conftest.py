"""What several tests of runs are given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.runs.power_cut import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """An engine's world on a disk that forgets."""
    made = World(tmp_path)
    try:
        yield made
    finally:
        made.disk.unregister()
