"""The state of each graph: what its checkpoints hold.

All values are plain JSON-like data or LangChain messages, so a checkpoint can be read by any version of this code.
Every graph takes `{"messages": [...]}` and leaves its answer as the last AI message.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, cast

from langgraph.graph import MessagesState
from langgraph.managed import RemainingSteps
from typing_extensions import TypedDict

Node = Callable[..., Awaitable[dict[str, Any]]]
"""A graph node: takes the state, or the payload it was sent; gives an update of the state."""


class Spent(TypedDict, total=False):
    """What a run has used up.

    `seconds` are those in which it worked: tasks of one super-step (`step`) count as the longest of them, waiting for
    a person or for a server that was down counts nothing.
    """

    model_calls: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    dollars: float
    seconds: float
    step: int
    step_seconds: float


def add_spent(total: Spent | None, more: Spent) -> Spent:
    """Everything adds up; of a super-step whose tasks report side by side, only what is longer than before."""
    added: dict[str, Any] = dict(total or {})
    for key, amount in more.items():
        if key not in ("step", "step_seconds"):
            added[key] = added.get(key, 0) + amount
    if "step" in more:
        before = added.get("step_seconds", 0.0) if added.get("step") == more["step"] else 0.0
        longest = max(before, more["step_seconds"])
        added |= {"seconds": added.get("seconds", 0.0) + longest - before}
        added |= {"step": more["step"], "step_seconds": longest}
    return cast(Spent, added)


class Conversation(MessagesState):
    """What every graph keeps: the messages, the memory of those that no longer fit, and what this run has spent.

    `summary` holds the messages up to the one whose id is `summarised_until`; `token_scale` is how many tokens the
    provider counts for one we estimate; `memory_fault` says why older turns are missing from the prompt, if they are.
    """

    spent: Annotated[Spent, add_spent]
    remaining_steps: RemainingSteps
    summary: str
    summarised_until: str | None
    token_scale: float
    memory_fault: str | None


class ReactState(Conversation):
    """The conversation, and the answer as an object when a schema was asked for."""

    structured_response: dict[str, Any] | None


StepStatus = Literal["pending", "running", "done", "failed", "skipped"]
"""pending: waits for its inputs, or for another attempt; running: sent out; done: has an output; failed: its output
says why; skipped: its output says why it was never tried."""


class PlanStep(TypedDict):
    """One step of a plan. `args` may refer to the output of a step in `depends_on` as `$id`."""

    id: str
    task: str
    tool: str | None
    args: dict[str, Any]
    depends_on: list[str]
    status: StepStatus
    attempts: int
    output: str


def merge_steps(plan: list[PlanStep] | None, changed: list[PlanStep]) -> list[PlanStep]:
    """Replace the steps that changed, so that steps of one wave can report side by side."""
    news = {step["id"]: step for step in changed}
    return [news.get(step["id"], step) for step in plan or []]


class PlanState(ReactState):
    """As in ReAct, and the plan with each step's status and output. `usable` is false when ReAct took over."""

    plan: Annotated[list[PlanStep], merge_steps]
    usable: bool
    replans: int


ThoughtStatus = Literal["proposed", "kept", "expanded", "dropped", "duplicate", "dead", "solved"]
"""proposed: not judged yet; kept: in the beam, to be expanded; expanded: its
followers are in the tree; dropped: outvalued; duplicate: the same state stands elsewhere;
dead: cannot lead to a solution; solved: verified as a solution."""


class Thought(TypedDict):
    """One node of the search tree. `state` is what the search goes on from, `text` the step that led to it."""

    id: str
    parent: str | None
    depth: int
    text: str
    state: str
    value: float
    status: ThoughtStatus


def merge_thoughts(tree: dict[str, Thought] | None, changed: dict[str, Thought]) -> dict[str, Thought]:
    return {**(tree or {}), **changed}


class SearchState(Conversation):
    """The conversation, the problem read from it, and the tree by thought id. `before` is what was said before it.

    `worst_case` is the most model calls the search could make, told before it starts; `worst_tokens` and
    `worst_dollars` are what they could cost, None when the run's settings do not say.
    """

    problem: str
    before: str
    worst_case: int
    worst_tokens: int | None
    worst_dollars: float | None
    tree: Annotated[dict[str, Thought], merge_thoughts]
