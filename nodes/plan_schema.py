"""What a plan may look like: its JSON schema, built from the tools, and the rules only code can check.

A plan is a list of steps with the ids of the steps each one needs. An argument refers to an earlier output as `$id`.
The schema lists one variant of a step per tool, so that a model that is held to it cannot invent tools or arguments.
"""

import re
from collections.abc import Collection, Sequence
from typing import Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

REFERENCE = re.compile(r"\$(\w+)")


def plan_schema(tools: Sequence[BaseTool], max_steps: int) -> dict[str, Any]:
    """JSON schema of a plan over these tools."""
    nothing = {"type": "object", "properties": {}, "additionalProperties": False}
    variants = [_variant({"type": "null"}, nothing, "Thought alone, without a tool.")]
    for tool in tools:
        function = convert_to_openai_tool(tool)["function"]
        variants.append(_variant({"const": tool.name}, _arguments(function), function["description"]))
    steps = {"type": "array", "maxItems": max_steps, "items": {"anyOf": variants}}
    return {"title": "plan", "type": "object", "properties": {"steps": steps}, "required": ["steps"]}


def _variant(tool: dict[str, Any], args: dict[str, Any], description: str) -> dict[str, Any]:
    text, names = {"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}}
    properties = {"id": {**text, "pattern": r"^\w+$"}, "task": text, "tool": tool, "args": args, "depends_on": names}
    return {"type": "object", "description": description, "properties": properties, "required": list(properties)}


def _arguments(function: dict[str, Any]) -> dict[str, Any]:
    """The tool's arguments, each of which may also be a reference, which is a string."""
    schema = function["parameters"]
    if "$defs" in schema:  # references inside a schema would dangle in ours; the tool checks its arguments itself
        return {"type": "object"}
    reference = {"type": "string", "pattern": r"\$\w+"}
    either = {
        name: kind if kind.get("type") == "string" else {"anyOf": [kind, reference]}
        for name, kind in schema.get("properties", {}).items()
    }
    required = schema.get("required", [])
    return {"type": "object", "properties": either, "required": required, "additionalProperties": False}


def faults(steps: Sequence[dict[str, Any]], frozen: Collection[str] = ()) -> list[str]:
    """What is wrong with the steps' ids, references and order; empty when every step can be carried out.

    `frozen` are the ids of steps that are done already: they may be used, and not given again.
    """
    ids = [*frozen, *(step["id"] for step in steps)]
    found = [f"id {name!r} is used twice" for name in sorted({name for name in ids if ids.count(name) > 1})]
    for step in steps:
        found += [f"step {step['id']} depends on {name!r}, which is no step" for name in {*step["depends_on"]} - {*ids}]
        used = {name for name in REFERENCE.findall(str(step["args"])) if name in ids or re.fullmatch(r"s\d+", name)}
        found += [f"step {step['id']} uses ${name} but does not depend on it" for name in used - {*step["depends_on"]}]
    return found or _cycle(steps, set(frozen))


def _cycle(steps: Sequence[dict[str, Any]], done: set[str]) -> list[str]:
    """The steps that can never become ready, by taking away the ready ones until none is left (Kahn)."""
    waiting = list(steps)
    while ready := {step["id"] for step in waiting if done.issuperset(step["depends_on"])}:
        done |= ready
        waiting = [step for step in waiting if step["id"] not in ready]
    return ["these steps wait for each other: " + ", ".join(step["id"] for step in waiting)] if waiting else []
