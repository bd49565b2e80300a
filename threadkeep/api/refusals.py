"""A request that is turned away at the door, told to the log and to the metrics."""

from __future__ import annotations

import structlog
from starlette.types import Scope

from threadkeep.engine import Engine

log = structlog.get_logger("threadkeep.http")

_MOST_CHARACTERS = 300


def note_refusal(scope: Scope, reason: str, words: str) -> None:
    """`reason` is one of a few, for the metric; `words` may quote what the client sent, never a key."""
    engine: Engine | None = getattr(scope["app"].state, "engine", None)
    if engine is not None:
        engine.metrics.request_refused(reason)
    client = scope.get("client")
    log.warning(
        "request_refused",
        reason=reason,
        detail=words[:_MOST_CHARACTERS],
        method=scope.get("method", "WEBSOCKET"),
        path=scope["path"][:_MOST_CHARACTERS],
        client=None if client is None else client[0],
    )
