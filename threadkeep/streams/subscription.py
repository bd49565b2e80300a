"""What a reader of the thread protocol wants to see: channels, and how deep under which namespaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from threadkeep.errors import BadRequestError

CHANNELS = ("values", "updates", "messages", "tools", "lifecycle", "input", "checkpoints", "tasks", "custom")
_NAMED = "custom:"

Namespace = Sequence[str]


@dataclass(frozen=True, slots=True)
class Subscription:
    channels: frozenset[str]
    """Of `CHANNELS`, or `custom:<name>`."""
    namespaces: tuple[tuple[str, ...], ...] = ()
    """Prefixes; none means everywhere. A step without its task's id (`researcher` for `researcher:1f0c...`) is any."""
    depth: int | None = None
    """At most so many steps below a prefix."""
    since: int | None = None
    """Only what comes after this sequence number."""

    def __post_init__(self) -> None:
        if not self.channels:
            raise BadRequestError(f"channels must name one or several of {', '.join(CHANNELS)}, {_NAMED}<name>.")
        unknown = sorted(name for name in self.channels if not _is_channel(name))
        if unknown:
            names = f"{', '.join(CHANNELS)}, {_NAMED}<name>"
            raise BadRequestError(f"channels {', '.join(unknown)} do not exist; use one or several of {names}.")

    def wants(self, channel: str) -> bool:
        """Whether any event of this channel may be wanted; `custom` stands for all named ones too."""
        if channel == "custom":
            return any(name == "custom" or name.startswith(_NAMED) for name in self.channels)
        return channel in self.channels

    def matches(self, channel: str, namespace: Namespace) -> bool:
        named = channel.startswith(_NAMED) and "custom" in self.channels
        if channel not in self.channels and not named:
            return False
        return not self.namespaces or any(self._under(namespace, prefix) for prefix in self.namespaces)

    def _under(self, namespace: Namespace, prefix: Namespace) -> bool:
        below = len(namespace) - len(prefix)
        if below < 0 or (self.depth is not None and below > self.depth):
            return False
        return all(
            step == wanted or step.partition(":")[0] == wanted for step, wanted in zip(namespace, prefix, strict=False)
        )


def _is_channel(name: str) -> bool:
    return name in CHANNELS or (name.startswith(_NAMED) and len(name) > len(_NAMED))
