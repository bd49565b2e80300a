"""Server-Sent Events read byte by byte, for what an SDK hides: ids, order, comments, line ends, a cut."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Frame:
    event: str
    data: Any
    id: str | None = None


def parse(body: bytes) -> list[Frame]:
    """Every frame of a finished body; comments are left out."""
    return [frame for block in body.split(b"\r\n\r\n") if (frame := _frame(block)) is not None]


async def read(response: httpx.Response) -> AsyncIterator[Frame]:
    """Frames as they arrive."""
    waiting = b""
    async for chunk in response.aiter_bytes():
        *blocks, waiting = (waiting + chunk).split(b"\r\n\r\n")
        for block in blocks:
            if (frame := _frame(block)) is not None:
                yield frame


def _frame(block: bytes) -> Frame | None:
    fields = dict(line.split(": ", 1) for line in block.decode().split("\r\n") if line and not line.startswith(":"))
    if not fields:
        return None
    return Frame(fields["event"], json.loads(fields["data"]), fields.get("id"))
