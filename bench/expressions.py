"""Tasks as nested calls, and an oracle that carries them out with the tools it is offered.

A task says, after `Work out:`, what to call with what, such as `add(2, multiply(3, 4))`; text stands in quotes. The
oracle reads the task, the tools and the results it is sent. It never computes: what a call gives it knows from that
call's result alone, so that a lost, swapped or stale result makes its answer wrong.
"""

import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call

from nodes.offline import OfflineChatModel

MARK = "Work out:"


@dataclass(frozen=True)
class Call:
    """A call whose arguments are values, or calls that give them."""

    tool: str
    args: tuple["Call | str | float", ...] = ()

    def __str__(self) -> str:
        shown = (str(arg) if isinstance(arg, Call) else json.dumps(arg, ensure_ascii=False) for arg in self.args)
        return f"{self.tool}({', '.join(shown)})"

    def inner_first(self) -> Iterator["Call"]:
        """Every call in it, each after those it needs, and itself last."""
        for arg in self.args:
            if isinstance(arg, Call):
                yield from arg.inner_first()
        yield self

    def depth(self) -> int:
        """How many calls wait for each other at most."""
        return 1 + max((arg.depth() for arg in self.args if isinstance(arg, Call)), default=0)


def read_call(text: str) -> Call:
    """The call that the text ends with. Raises `ValueError` when there is none."""
    try:
        return _call_of(ast.parse(text.rpartition(MARK)[2].strip(), mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"no call in {text!r}") from error


def _call_of(node: ast.expr) -> Call:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise ValueError("no call")
    args = (_call_of(arg) if isinstance(arg, ast.Call) else ast.literal_eval(arg) for arg in node.args)
    return Call(node.func.id, tuple(args))


class ExpressionOracle(OfflineChatModel):
    """Plans a task, or calls what is ready: all of it in one answer, or (`serial`) one call at a time."""

    serial: bool = False

    def answer(
        self, messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: dict[str, Any] | None
    ) -> AIMessage:
        human = [place for place, message in enumerate(messages) if isinstance(message, HumanMessage)]
        last = str(messages[human[-1]].text)
        if last.startswith('{"steps"'):  # a plan that came to its end: answer from it, or know no other one
            output = str(json.loads(last)["steps"][-1]["output"])
            return AIMessage(output if schema is None else '{"steps": []}')
        task = read_call(last)
        if schema is not None:
            return AIMessage(json.dumps({"steps": _steps(task, _parameters_of_plan(schema))}))
        known = _results(messages[human[-1] :])
        parameters = {tool["function"]["name"]: list(tool["function"]["parameters"]["properties"]) for tool in tools}
        ready = {}
        for call in task.inner_first():
            values = _values(call, known)
            if values is not None and _key(call.tool, values) not in known:
                ready[_key(call.tool, values)] = (call.tool, dict(zip(parameters[call.tool], values, strict=True)))
        if not ready:
            return AIMessage(known[_key(task.tool, _values(task, known) or ())])
        chosen = list(ready.values())[: 1 if self.serial else None]
        made = len(known)
        return AIMessage("", tool_calls=[_made(*call, f"c{made + place}") for place, call in enumerate(chosen)])


def _made(tool: str, args: dict[str, Any], name: str) -> Any:
    return tool_call(name=tool, args=args, id=name)


def _key(tool: str, values: Sequence[Any]) -> str:
    return json.dumps([tool, [str(value) for value in values]])


def _results(messages: Sequence[BaseMessage]) -> dict[str, str]:
    """What each call gave, by tool and arguments."""
    given = {message.tool_call_id: str(message.text) for message in messages if isinstance(message, ToolMessage)}
    calls = [call for message in messages if isinstance(message, AIMessage) for call in message.tool_calls]
    return {_key(call["name"], list(call["args"].values())): given[call["id"] or ""] for call in calls}


def _values(call: Call, known: dict[str, str]) -> list[Any] | None:
    """The values of a call's arguments; None while one of them is not known yet."""
    values: list[Any] = []
    for arg in call.args:
        if isinstance(arg, Call):
            inner = _values(arg, known)
            if inner is None or _key(arg.tool, inner) not in known:
                return None
            values.append(known[_key(arg.tool, inner)])
        else:
            values.append(arg)
    return values


def _parameters_of_plan(schema: dict[str, Any]) -> dict[str, list[str]]:
    variants = schema["schema"]["properties"]["steps"]["items"]["anyOf"]
    tools = [variant["properties"] for variant in variants if "const" in variant["properties"]["tool"]]
    return {tool["tool"]["const"]: list(tool["args"]["properties"]) for tool in tools}


def _steps(task: Call, parameters: dict[str, list[str]]) -> list[dict[str, Any]]:
    names: dict[Call, str] = {}
    steps = []
    for call in task.inner_first():
        if call in names:
            continue
        names[call] = f"s{len(names) + 1}"
        needs = [names[arg] for arg in call.args if isinstance(arg, Call)]
        values = [f"${names[arg]}" if isinstance(arg, Call) else arg for arg in call.args]
        args = dict(zip(parameters[call.tool], values, strict=True))
        step = {"id": names[call], "task": str(call), "tool": call.tool, "args": args}
        steps.append({**step, "depends_on": list(dict.fromkeys(needs))})
    return steps
