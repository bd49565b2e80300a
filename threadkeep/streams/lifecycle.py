"""Stream mode `lifecycle`: when each subgraph starts and ends, inferred from the tasks that LangGraph streams.

A subgraph's namespace ends in `node:task_id`, the task that runs it; it has started when the first task inside it
shows, and has ended when the result of that task outside it does.

A client that wants to know this need not want what its subgraphs stream. Asked for that, LangGraph would show it in
place of what the graph itself shows of them, so it is not asked. But a subgraph finds in its configuration where to
stream to beside its caller; what is put there is given the tasks alone, and writes them where the graph at the root
finds them in the order in which they happened: as parts of mode `custom`. There LangGraph puts what subgraphs write as
well, then; it is left out by its namespace, which the parts lack that are traced for mode `events`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.pregel.protocol import StreamChunk, StreamProtocol

Namespace = tuple[str, ...]

_STREAM_OF_SUBGRAPHS = "__pregel_stream"  # LangGraph's own name for it


@dataclass(frozen=True, slots=True)
class InnerTask:
    """The start or the end of a subgraph's task, as the graph at the root streams it in mode `custom`."""

    namespace: Namespace
    task: Mapping[str, Any]


def telling_of_inner_tasks(config: RunnableConfig) -> RunnableConfig:
    """The configuration with which a graph streams an `InnerTask` for what its subgraphs' tasks do."""
    streams = {_STREAM_OF_SUBGRAPHS: StreamProtocol(_tell, {"tasks"})}
    return {**config, "configurable": {**config.get("configurable", {}), **streams}}


def _tell(chunk: StreamChunk) -> None:
    namespace, _, task = chunk
    if namespace:
        with suppress(RuntimeError):  # a graph that is run outside of its task's context has no writer
            get_stream_writer()(InnerTask(namespace, task))


def with_inner_tasks(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part; one that holds an `InnerTask` as the part of mode `tasks` that it is."""
    inner = part["data"]
    return {"type": "tasks", "ns": inner.namespace, "data": inner.task} if isinstance(inner, InnerTask) else part


class Lifecycle:
    """One run's open subgraphs, and the tool calls that its tasks were started by."""

    def __init__(self) -> None:
        self._open: dict[Namespace, str | None] = {}
        self._tool_calls: dict[str, str] = {}

    def is_inside(self, namespace: Namespace) -> bool:
        """Whether it is a place in a subgraph that is at work."""
        return any(namespace[:depth] in self._open for depth in range(1, len(namespace) + 1))

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
