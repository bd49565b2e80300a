"""What a checkpointer may offer besides reading and writing."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver


def offers(saver: BaseCheckpointSaver[Any], method: str) -> bool:
    """Whether the saver has its own version of a method that `BaseCheckpointSaver` only names."""
    return getattr(type(saver), method) is not getattr(BaseCheckpointSaver, method)


async def flush(saver: BaseCheckpointSaver[Any]) -> None:
    """Return once all that the saver was given is safe from a power cut.

    At once for one that has no `flush`: it stores in step, or cannot say.
    """
    if (flushed := getattr(saver, "flush", None)) is not None:
        await flushed()
