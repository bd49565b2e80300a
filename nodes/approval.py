"""Asking a person to approve, edit or reject actions.

The interrupt and its answer have the form of LangChain's human-in-the-loop middleware, which chat clients know:
`{"action_requests": [{"name", "args", "description"}], "review_configs": [...]}` is answered by
`{"decisions": [{"type": "approve"} | {"type": "edit", "edited_action": {"name", "args"}} |
{"type": "reject", "message"}]}`, one decision per request in order. The bare words "approve" and "reject" stand for
that decision on all of them.
"""

from collections.abc import Sequence
from typing import Any

from langgraph.types import interrupt
from typing_extensions import TypedDict

DECISIONS = ["approve", "edit", "reject"]


class Action(TypedDict):
    """What is to be decided on: a tool call or a whole plan."""

    name: str
    args: dict[str, Any]
    description: str


def decide(actions: Sequence[Action]) -> list[dict[str, Any]]:
    """One decision per action; waits for them by interrupting the run.

    Anything unclear counts as a rejection: nothing is done that nobody approved.
    """
    configs = [{"action_name": action["name"], "allowed_decisions": DECISIONS} for action in actions]
    answer = interrupt({"action_requests": list(actions), "review_configs": configs})
    if isinstance(answer, str):
        answer = {"decisions": [{"type": answer}] * len(actions)}
    given = answer.get("decisions") if isinstance(answer, dict) else None
    decisions = given if isinstance(given, list) and len(given) == len(actions) else [{}] * len(actions)
    return [_understood(one) for one in decisions]


def _understood(decision: Any) -> dict[str, Any]:
    unclear = {"type": "reject", "message": "The decision was not understood."}
    if not isinstance(decision, dict) or decision.get("type") not in DECISIONS:
        return unclear
    action = decision.get("edited_action")
    if decision["type"] == "edit" and not (isinstance(action, dict) and isinstance(action.get("args"), dict)):
        return unclear
    return decision
