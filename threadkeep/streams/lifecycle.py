"""Stream mode `lifecycle`: when each subgraph starts and ends, inferred from the tasks that LangGraph streams.

A subgraph's namespace ends in `node:task_id`, the task that runs it; it has started when the first task inside it
shows, and has ended when the result of that task outside it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Namespace = tuple[str, ...]


class Lifecycle:
    """One run's open subgraphs, and the tool calls that its tasks were started by."""

    def __init__(self) -> None:
        self._open: dict[Namespace, str | None] = {}
        self._tool_calls: dict[str, str] = {}

    def of(self, namespace: Namespace, task: Mapping[str, Any]) -> Iterator[tuple[Namespace, dict[str, Any]]]:
        """The subgraphs that this task's start or end starts or ends, each with the event's data."""
        if "result" in task or "error" in task:
            inner = (*namespace, f"{task['name']}:{task['id']}")
            if inner in self._open:
                yield inner, _payload(inner, self._open.pop(inner), **_ending(task))
            return
        if (call_id := _tool_call_id(task.get("input"))) is not None:
            self._tool_calls[task["id"]] = call_id
        if namespace and namespace not in self._open:
            self._open[namespace] = self._tool_calls.get(namespace[-1].rpartition(":")[2])
            yield namespace, _payload(namespace, self._open[namespace], event="started")


def _payload(namespace: Namespace, tool_call_id: str | None, **more: Any) -> dict[str, Any]:
    called = {} if tool_call_id is None else {"tool_call_id": tool_call_id}
    return {**more, "namespace": list(namespace), **called}


def _ending(task: Mapping[str, Any]) -> dict[str, Any]:
    if task.get("interrupts"):
        return {"event": "interrupted"}
    error = task.get("error")
    if error:
        return {"event": "failed", "error": {"error": type(error).__name__, "message": str(error)}}
    return {"event": "completed"}


def _tool_call_id(given: Any) -> str | None:
    """Of a task that carries out one tool call, as LangGraph's ToolNode starts it."""
    call = given.get("tool_call") if isinstance(given, Mapping) else None
    call_id = call.get("id") if isinstance(call, Mapping) else None
    return call_id if isinstance(call_id, str) else None
