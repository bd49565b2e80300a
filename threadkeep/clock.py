"""Time and ids, passed in wherever they are used so that tests can hold them still.

`now` dates records; `monotonic` measures durations and leases. Nothing is ever ordered by wall clock.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds: sorts as text, and is what the API shows."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def new_uuid7(moment: datetime) -> UUID:
    """A version 7 UUID (RFC 9562): 48 bits of milliseconds, then random bits, so ids made later sort later."""
    milliseconds = int(moment.timestamp() * 1000)
    random_bits = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (2**48 - 1)) << 80 | random_bits
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def seconds_since(earlier: str, now: datetime) -> float:
    """From a timestamp to now; a clock that was set back makes it 0, never less."""
    return max((now - datetime.fromisoformat(earlier)).total_seconds(), 0.0)
