"""What stands between the model and a tool: time, rate, retries, a circuit breaker and a cap on the result.

A guard belongs to one toolkit and holds the counts of its tools; time comes in as a clock. A call that may not run is
refused with a message that says when it may.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from langchain_core.tools import ToolException
from langgraph.errors import GraphBubbleUp
from pydantic import ValidationError

from nodes.tools.breaker import Breaker

T = TypeVar("T")


@dataclass(frozen=True)
class ToolPolicy:
    """How one tool may be used. Only errors declared `transient` are ever retried."""

    timeout: float = 30.0
    """Seconds for one attempt."""
    calls: int = 60
    """Calls one user may start within `window` seconds."""
    window: float = 60.0
    max_wait: float = 2.0
    """Longest wait, in seconds, for a free place; a longer one is refused with the time to come back."""
    attempts: int = 2
    transient: tuple[type[Exception], ...] = (ConnectionError,)
    breaker_failures: int = 5
    """Failures in a row after which the tool is left alone for `breaker_seconds`, and then tried by one call."""
    breaker_seconds: float = 30.0
    max_result: int = 20_000
    """Characters of a result that reach the model."""


@dataclass
class ToolGuard:
    """Runs a tool's work under its policy. `clock` is monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _starts: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    _breakers: dict[str, Breaker] = field(default_factory=dict)

    async def run(self, tool: str, user: str, policy: ToolPolicy, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`. Raises `ToolException` when it may not run or takes too long, else what it raises.

        A `ToolException` from the tool itself is an answer, not a failure of the tool.
        """
        breaker = self._breakers.setdefault(tool, Breaker())
        trial = breaker.admit(tool, self.clock())
        try:
            await self._place(tool, user, policy)
            return await self._watched(tool, policy, work, breaker, trial)
        finally:
            breaker.ended(trial)

    async def _watched(
        self, tool: str, policy: ToolPolicy, work: Callable[[], Awaitable[T]], breaker: Breaker, trial: bool
    ) -> T:
        try:
            result = await self._attempts(tool, policy, work)
        except (ToolException, ValidationError, GraphBubbleUp):  # it answered, was asked wrongly, or waits for a person
            breaker.succeeded(trial)
            raise
        except Exception:
            breaker.failed(trial, self.clock(), policy.breaker_failures, policy.breaker_seconds)
            raise
        breaker.succeeded(trial)
        return result

    async def _attempts(self, tool: str, policy: ToolPolicy, work: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(1, policy.attempts + 1):
            try:
                async with asyncio.timeout(policy.timeout):
                    return await work()
            except TimeoutError as error:
                raise ToolTimeoutError(f"{tool} took longer than {policy.timeout:g} s") from error
            except policy.transient:
                if attempt == policy.attempts:
                    raise
                await self.sleep(0.1 * 2**attempt)
        raise AssertionError("a policy has at least one attempt")

    async def _place(self, tool: str, user: str, policy: ToolPolicy) -> None:
        """Wait for a place in the user's window, or refuse."""
        starts = self._starts.setdefault((tool, user), deque())
        now = self.clock()
        while starts and starts[0] <= now - policy.window:
            starts.popleft()
        wait = starts[-policy.calls] + policy.window - now if len(starts) >= policy.calls else 0.0
        if wait > policy.max_wait:
            raise ToolException(f"rate limited: {tool} may be used again in {wait:.0f} s")
        starts.append(now + wait)
        self._forget_idle(now, policy.window)
        if wait > 0:
            await self.sleep(wait)

    def _forget_idle(self, now: float, window: float) -> None:
        if len(self._starts) > 10_000:  # one entry per tool and user: those long idle say nothing any more
            self._starts = {key: starts for key, starts in self._starts.items() if starts[-1] > now - window}


class ToolTimeoutError(TimeoutError):
    """A tool took longer than its policy allows; the message is safe to show."""


def capped(text: Any, most: int) -> Any:
    """A text result of at most `most` characters, saying what was left out."""
    if not isinstance(text, str) or len(text) <= most:
        return text
    return f"{text[:most]}\n... ({len(text) - most} more characters left out)"
