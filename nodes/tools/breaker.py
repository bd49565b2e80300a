"""A circuit breaker: a tool that keeps failing is left alone for a while, and then tried by one call before all others.

Closed, calls pass. After a number of failures in a row it opens, and calls are refused. When the time is over it is
half open: one call is the trial, and the others are refused until it has ended. A trial that succeeds closes the
breaker; one failure opens it again.
"""

from dataclasses import dataclass

from langchain_core.tools import ToolException


@dataclass
class Breaker:
    """The breaker of one tool. Times are seconds of the caller's monotonic clock."""

    failures: int = 0
    closed: bool = True
    open_until: float = 0.0
    on_trial: bool = False

    def admit(self, tool: str, now: float) -> bool:
        """Let a call pass, and say whether it is the trial. Raises `ToolException` when it may not pass."""
        if self.closed:
            return False
        if (left := self.open_until - now) > 0:
            raise ToolException(f"{tool} has failed repeatedly and is left alone; try again in {left:.0f} s")
        if self.on_trial:
            raise ToolException(f"{tool} has failed repeatedly and is just being tried by another call; try again soon")
        self.on_trial = True
        return True

    def succeeded(self, trial: bool) -> None:
        """The call gave an answer. One that began before the breaker opened says nothing about the tool since."""
        if trial or self.closed:
            self.closed, self.failures = True, 0

    def failed(self, trial: bool, now: float, most: int, pause: float) -> None:
        """The call failed; `most` failures in a row, or that of a trial, open the breaker for `pause` seconds."""
        if self.closed:
            self.failures += 1
        if trial or (self.closed and self.failures >= most):
            self.closed, self.open_until = False, now + pause

    def ended(self, trial: bool) -> None:
        """The call is over, whether it came to a result or was cancelled: without one, the next may be the trial."""
        self.on_trial = self.on_trial and not trial
