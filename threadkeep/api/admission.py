"""How often and how much at once anybody may ask: requests per time, and connections open together.

Who asks is the caller's identity, or the address while nobody has to log in. Wrong credentials count by address: keys
cannot be tried out in numbers. The counting is the `limits` library's (a moving window, in this process).
"""

from __future__ import annotations

from collections import Counter
from math import ceil
from time import time

from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from threadkeep.errors import LimitedError, StartupError
from threadkeep.settings import Settings

_EVERYBODY = "everybody"


class Admission:
    """One server's counts. Made before the event loop runs; used on it."""

    def __init__(self, settings: Settings) -> None:
        self._each = _limits("RATE_LIMIT", settings.rate_limit)
        self._all = _limits("GLOBAL_RATE_LIMIT", settings.global_rate_limit)
        self._most_each = settings.max_connections_per_user
        self._most = settings.max_connections
        self._limiter: MovingWindowRateLimiter | None = None
        self._open: Counter[str] = Counter()

    async def count(self, who: str) -> None:
        """Count one request; `LimitedError` when it is one too many, with the seconds until it would not be."""
        if not (self._each or self._all):
            return
        if self._limiter is None:
            self._limiter = MovingWindowRateLimiter(MemoryStorage())
        for limit, key in (*((one, who) for one in self._each), *((one, _EVERYBODY) for one in self._all)):
            if not await self._limiter.hit(limit, key):
                stats = await self._limiter.get_window_stats(limit, key)
                raise LimitedError(f"Too many requests: {limit} are allowed.", max(1, ceil(stats.reset_time - time())))

    def enter(self, who: str) -> None:
        """Take one of the caller's places until `leave`, while a request or stream is open; `LimitedError` when none
        is left."""
        if self._most and self._open.total() >= self._most:
            raise LimitedError("Too many connections are open; close some, or try again in a moment.")
        if self._most_each and self._open[who] >= self._most_each:
            raise LimitedError(f"You have {self._most_each} connections open; close one first.")
        self._open[who] += 1

    def leave(self, who: str) -> None:
        self._open[who] -= 1
        if not self._open[who]:
            del self._open[who]


def _limits(name: str, text: str) -> list[RateLimitItem]:
    try:
        return list(parse_many(text)) if text else []
    except ValueError:
        raise StartupError(f'{name} must be like "300/minute" or "10/second;1000/hour", not {text!r}.') from None
