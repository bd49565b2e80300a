"""How the steps of a plan are put before a model: as data in JSON, references filled in."""

import json
from collections.abc import Sequence
from typing import Any

from nodes.plan_schema import REFERENCE
from nodes.state import PlanStep


def outputs_of(steps: Sequence[PlanStep]) -> dict[str, str]:
    """The output of each step that is done, by id."""
    return {step["id"]: step["output"] for step in steps if step["status"] == "done"}


def filled(value: Any, outputs: dict[str, str]) -> Any:
    """`value` with every `$id` of a step in `outputs` replaced by that step's output."""
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: outputs.get(match[1], match[0]), value)
    if isinstance(value, list):
        return [filled(part, outputs) for part in value]
    if isinstance(value, dict):
        return {key: filled(part, outputs) for key, part in value.items()}
    return value


def report(steps: Sequence[PlanStep]) -> str:
    """The steps with their status and output, as JSON."""
    outputs = outputs_of(steps)
    shown = [
        {"id": s["id"], "task": filled(s["task"], outputs), "status": s["status"], "output": s["output"]} for s in steps
    ]
    return json.dumps({"steps": shown}, ensure_ascii=False)
