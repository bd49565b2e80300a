"""Loops that serve as long as the server does: one that fails is begun anew, so that nothing stops unnoticed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger("threadkeep")

_PAUSE_SECONDS = 1.0


async def going_on(serve: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
    """Until cancelled. What they expect they see to themselves; this is for what nobody thought of."""
    while True:
        try:
            await serve()
        except Exception as error:
            log.error("begun_anew", loop=name, error=type(error).__name__, exc_info=error)
        await asyncio.sleep(_PAUSE_SECONDS)
