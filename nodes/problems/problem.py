"""What the Tree of Thought search needs to know about a kind of problem.

The search itself knows no problem: it proposes, values and selects states, which are plain text. An adapter says
which messages it can read, how a thought leads from one state to the next, and, where it can, checks in code what a
model would only guess: whether a thought is legal, which states are the same, which one is a solution.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

Verdict = Literal["solved", "dead", "open"]
"""solved: verified; dead: verified that nothing can follow; open: only the model can judge."""


class Problem(ABC):
    """One kind of problem. Holds no state of its own: everything stands in the texts it is given."""

    name: str
    propose_prompt: str
    """Asks for next thoughts; put before `shown`."""
    value_prompt: str
    """Asks for a judgement of a state, or for a vote between states."""
    thoughts: int = 5
    """Most thoughts taken from one call, unless the run's context says otherwise."""
    longest_thought: int = 2000
    """Characters kept of a thought: every prompt after it holds it, so this bounds what a search may cost."""
    wants_conversation: bool = False
    """Whether a message can only be understood from what was said before it."""
    verifies_leaves: bool = False
    """Whether `verdict` settles every state of the last level, so that the model need not value it."""

    @abstractmethod
    def read(self, message: str) -> str | None:
        """The root state when `message` poses such a problem, else None."""

    @abstractmethod
    def follow(self, state: str, thought: str) -> str | None:
        """The state after `thought`, or None when it is no legal step from `state`."""

    @abstractmethod
    def shown(self, root: str, path: Sequence[str], state: str) -> str:
        """The data that puts a state before the model: the problem, the thoughts so far, where to go on from."""

    def levels(self, root: str) -> int | None:
        """How many thoughts make a solution; None: as many as the context's `depth`."""
        return None

    def key(self, state: str) -> str:
        """Equal for states that are the same to the search."""
        return " ".join(state.lower().split())

    def tie_break(self, state: str) -> tuple[Fraction, ...]:
        """Orders states of equal value, the smallest first; the same for all: as the model proposed them.

        A problem of which code knows every step gives an order of its own, so that what the search finds does not hang
        on the order in which the steps were named.
        """
        return ()

    def verdict(self, root: str, path: Sequence[str], state: str) -> Verdict:
        """What code can tell of a state without asking the model."""
        return "open"

    def answer(self, root: str, path: Sequence[str]) -> str | None:
        """The answer the best path spells out, when code can tell; None: the model writes it."""
        return None
