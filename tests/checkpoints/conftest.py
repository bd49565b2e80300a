"""A checkpointer on a file of its own for each test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from checkpoints.file import open_file
from checkpoints.saver import SegmentSaver


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[SegmentSaver]:
    async with open_file(path, **options) as file:
        yield SegmentSaver(file)


@pytest.fixture
async def saver(tmp_path: Path) -> AsyncIterator[SegmentSaver]:
    async with opened(tmp_path / "checkpoints.db") as one:
        yield one
