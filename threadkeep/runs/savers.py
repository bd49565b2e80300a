"""What a checkpointer may offer besides reading and writing."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from threadkeep.errors import UnavailableError


def offers(saver: BaseCheckpointSaver[Any], method: str) -> bool:
    """Whether the saver has its own version of a method that `BaseCheckpointSaver` only names."""
    return getattr(type(saver), method) is not getattr(BaseCheckpointSaver, method)


def refusal(saver: BaseCheckpointSaver[Any]) -> str | None:
    """Why the disk of one that has a `flush` takes nothing any more, if it says so."""
    return getattr(saver, "refused", None)


async def flush(saver: BaseCheckpointSaver[Any]) -> None:
    """Return once all that the saver was given is safe from a power cut.

    At once for one that has no `flush`: it stores in step, or cannot say. `UnavailableError` when the disk refuses it.
    """
    if (flushed := getattr(saver, "flush", None)) is not None:
        try:
            await flushed()
        except OSError as error:
            raise UnavailableError(str(error)) from error
