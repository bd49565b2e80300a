"""Which tools an agent called, against which it should have called, as agentevals compares them; and running agents.

strict: the same calls in the same order; unordered: the same calls; subset: none that was not expected; superset: all
that were expected, and perhaps more.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.tools import BaseTool

from nodes.tools.guard import ToolPolicy
from nodes.tools.toolkit import Toolkit

Match = Literal["strict", "unordered", "subset", "superset"]


def matches(how: Match, called: Sequence[str], expected: Sequence[str]) -> bool:
    """Whether the calls made (by tool name) match those expected."""
    made, wanted = Counter(called), Counter(expected)
    return {
        "strict": list(called) == list(expected),
        "unordered": made == wanted,
        "subset": made <= wanted,
        "superset": made >= wanted,
    }[how]


def unlimited(tools: Sequence[BaseTool]) -> Toolkit:
    """The tools as a toolkit without a limit of calls: a benchmark asks more often than a person would."""
    policy = ToolPolicy(calls=1_000_000, breaker_failures=1_000_000)
    return Toolkit(tools, policies={tool.name: policy for tool in tools})


@dataclass
class Tally:
    """What one agent made of a set of tasks."""

    name: str
    tasks: int = 0
    correct: int = 0
    matched: Counter[str] = field(default_factory=Counter)
    model_calls: int = 0
    waves: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Task:
    """A question, whether an answer to it is right, and the tools that should be called for it, in order."""

    question: str
    right: Callable[[str], bool]
    expected: tuple[str, ...]


async def run(name: str, agent: Any, tasks: Iterable[Task], **context: Any) -> Tally:
    """Put every task to the agent, a graph of ours. A wave is a super-step in which tools run."""
    tally = Tally(name)
    for task in tasks:
        started, called, waves, state = time.perf_counter(), list[str](), set[int](), dict[str, Any]()
        asked = {"messages": [{"role": "user", "content": task.question}]}
        async for mode, part in agent.astream(asked, context=context, stream_mode=["debug", "values"]):
            if mode == "values":
                state = part
            elif part["type"] == "task" and part["payload"]["name"] in ("run_tool", "run_step"):
                sent = part["payload"]["input"]
                called.append(sent["call"]["name"] if "call" in sent else sent["step"]["tool"])
                waves.add(part["step"])
        tally.tasks += 1
        tally.seconds += time.perf_counter() - started
        tally.waves += len(waves)
        tally.model_calls += state["spent"]["model_calls"]
        tally.correct += task.right(str(state["messages"][-1].text))
        hows: tuple[Match, ...] = ("strict", "unordered", "subset", "superset")
        tally.matched.update(how for how in hows if matches(how, called, task.expected))
    return tally


def table(tallies: Iterable[Tally]) -> str:
    """One line for each agent: right answers, tasks whose calls match, and what it took."""
    heads = ("correct", "strict", "unordered", "subset", "superset", "model calls", "waves", "seconds")
    lines = [f"{'':<28}" + "".join(f"{head:>12}" for head in heads)]
    for tally in tallies:
        counts = (tally.correct, *(tally.matched[how] for how in heads[1:5]))
        shown = [f"{count}/{tally.tasks}" for count in counts]
        cells = [*shown, str(tally.model_calls), str(tally.waves), f"{tally.seconds:.2f}"]
        lines.append(f"{tally.name:<28}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)
