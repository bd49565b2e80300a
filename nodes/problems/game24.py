"""The Game of 24: reach 24 from four numbers with + - * /, each number used once.

A state is the numbers left, such as `6 9 13`; a thought is one step, such as `10 - 4 = 6 (left: 6 9 13)`. Steps are
checked exactly (fractions, no rounding), and a solution is verified by evaluating the expression it spells out. So
the model decides only where to look; it cannot talk the search into a wrong answer.
"""

import operator
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from nodes import prompts
from nodes.problems.problem import Problem, Verdict

_NUMBER = r"\(?(-?\d+(?:\.\d+|/\d+)?)\)?"
_STEP = re.compile(rf"^\s*{_NUMBER} ([-+*/]) {_NUMBER} = {_NUMBER}(?![\d./])")
_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
_POSED = re.compile(r"\D*?(?:game of 24|make 24)?\D*?(\d+)[ ,]+(\d+)[ ,]+(\d+)[ ,]+(?:and )?(\d+)\D*?(?:24)?\D*", re.I)
TARGET = Fraction(24)


class Game24(Problem):
    """Game of 24 with its verifier."""

    name = "game24"
    propose_prompt = prompts.PROPOSE_24
    value_prompt = prompts.VALUE_24
    thoughts = 40  # four numbers allow at most 36 different steps
    longest_thought = 80
    verifies_leaves = True

    def read(self, message: str) -> str | None:
        posed = _POSED.fullmatch(message.strip())
        return " ".join(posed.groups()) if posed and not re.search(r"[a-z]", _spoken(message), re.I) else None

    def follow(self, state: str, thought: str) -> str | None:
        if not (step := _STEP.match(thought)):
            return None
        try:
            first, second, result = (Fraction(step[place]) for place in (1, 3, 4))
            numbers = Counter(map(Fraction, state.split()))
            if Counter([first, second]) - numbers or _OPERATORS[step[2]](first, second) != result:
                return None
        except ZeroDivisionError:
            return None
        left = [*(numbers - Counter([first, second])).elements(), result]
        return " ".join(map(str, sorted(left)))

    def shown(self, root: str, path: Sequence[str], state: str) -> str:
        steps = "".join(f"{thought}\n" for thought in path)
        return f"{steps}left: {state}"

    def levels(self, root: str) -> int:
        return len(root.split()) - 1

    def key(self, state: str) -> str:
        return " ".join(map(str, self.tie_break(state)))

    def tie_break(self, state: str) -> tuple[Fraction, ...]:
        return tuple(sorted(map(Fraction, state.split())))

    def verdict(self, root: str, path: Sequence[str], state: str) -> Verdict:
        if len(state.split()) > 1:
            return "open"
        return "solved" if _expression(root, path) else "dead"

    def answer(self, root: str, path: Sequence[str]) -> str:
        expression = _expression(root, path)
        steps = "".join(f"{thought}\n" for thought in path)
        if expression is None:
            return f"{steps}I found no way to make 24 from {root}; this is as far as the search came."
        return f"{steps}Answer: {expression} = 24"


def _expression(root: str, path: Sequence[str]) -> str | None:
    """The expression that `path` spells out, if it uses every number of `root` and is worth 24."""
    parts = [(Fraction(number), number) for number in root.split()]
    for thought in path:
        step = _STEP.match(thought)
        if not step:
            return None
        left, right = _take(parts, Fraction(step[1])), _take(parts, Fraction(step[3]))
        parts.append((Fraction(step[4]), f"({left} {step[2]} {right})"))
    (value, expression), *rest = parts
    if rest or value != TARGET:
        return None
    return expression[1:-1]


def _take(parts: list[tuple[Fraction, str]], number: Fraction) -> str:
    """Remove the part worth `number` and give the expression it stands for."""
    place = next(index for index, (value, _) in enumerate(parts) if value == number)
    return parts.pop(place)[1]


def _spoken(message: str) -> str:
    """What is left of a message when the words that pose a Game of 24 are taken away."""
    words = r"\b(game|of|make|reach|get|solve|play|please|the|using|use|with|from|and|to|numbers?|out|a|let|us|s)\b"
    return re.sub(words, "", message, flags=re.I)
