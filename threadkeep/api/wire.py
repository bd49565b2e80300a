"""Records as the Agent Server API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot

from threadkeep import json
from threadkeep.masking import Mask
from threadkeep.storage.assistants import Assistant
from threadkeep.storage.crons import Cron
from threadkeep.storage.thread_rows import Thread
from threadkeep.streams.frames import interrupt_record

_CHECKPOINT_KEYS = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")


def assistant_wire(assistant: Assistant) -> dict[str, Any]:
    return {
        "assistant_id": assistant.assistant_id,
        "graph_id": assistant.graph_id,
        "config": assistant.config,
        "context": assistant.context,
        "metadata": assistant.metadata,
        "name": assistant.name,
        "description": assistant.description,
        "version": assistant.version,
        "created_at": assistant.created_at,
        "updated_at": assistant.updated_at,
    }


def thread_wire(thread: Thread, values: Any = None) -> dict[str, Any]:
    """`values` is the state of the thread's newest checkpoint; null until there is one."""
    return {
        "thread_id": thread.thread_id,
        "created_at": thread.created_at,
        "updated_at": thread.updated_at or thread.created_at,
        "state_updated_at": thread.state_updated_at or thread.created_at,
        "metadata": thread.metadata,
        "config": thread.config,
        "status": thread.status,
        "values": values,
        "error": thread.error,
        "interrupts": thread.interrupts,
    }


def cron_wire(cron: Cron) -> dict[str, Any]:
    return {
        "cron_id": cron.cron_id,
        "assistant_id": cron.assistant_id,
        "thread_id": cron.thread_id,
        "schedule": cron.schedule,
        "timezone": cron.timezone,
        "end_time": cron.end_time,
        "enabled": cron.enabled,
        "on_run_completed": None if cron.thread_id else cron.payload.get("on_completion", "delete"),
        "payload": cron.payload,
        "metadata": cron.metadata,
        "user_id": cron.owner,
        "next_run_date": cron.next_run_date,
        "created_at": cron.created_at,
        "updated_at": cron.updated_at,
    }


def state_wire(snapshot: StateSnapshot, mask: Mask) -> dict[str, Any]:
    """A checkpoint as the API shows it; `mask` goes over what failed tasks raised."""
    return {
        "values": snapshot.values if snapshot.values is not None else {},
        "next": list(snapshot.next),
        "tasks": [_task_wire(task, mask) for task in snapshot.tasks],
        "metadata": _public(dict(snapshot.metadata or {})),
        "created_at": snapshot.created_at,
        "checkpoint": checkpoint_wire(snapshot.config),
        "parent_checkpoint": checkpoint_wire(snapshot.parent_config),
        "interrupts": [interrupt_record(item) for item in snapshot.interrupts],
        "checkpoint_id": _id_of(snapshot.config),
        "parent_checkpoint_id": _id_of(snapshot.parent_config),
    }


def interrupts_of(snapshot: StateSnapshot) -> dict[str, list[dict[str, Any]]]:
    """What the state's tasks wait for, by task, as a thread's row keeps it."""
    found = {task.id: [interrupt_record(item) for item in task.interrupts] for task in snapshot.tasks}
    return {task_id: interrupts for task_id, interrupts in found.items() if interrupts}


EMPTY_STATE: Mapping[str, Any] = {
    "values": {},
    "next": [],
    "tasks": [],
    "metadata": {},
    "created_at": None,
    "checkpoint": None,
    "parent_checkpoint": None,
    "interrupts": [],
    "checkpoint_id": None,
    "parent_checkpoint_id": None,
}


def checkpoint_wire(config: RunnableConfig | None) -> dict[str, Any] | None:
    if not config or not config.get("configurable", {}).get("checkpoint_id"):
        return None
    return {key: value for key, value in config["configurable"].items() if key in _CHECKPOINT_KEYS}


def _id_of(config: RunnableConfig | None) -> str | None:
    checkpoint = checkpoint_wire(config)
    return None if checkpoint is None else checkpoint["checkpoint_id"]


def _task_wire(task: Any, mask: Mask) -> dict[str, Any]:
    nested = task.state
    return {
        "id": task.id,
        "name": task.name,
        "path": list(task.path),
        "error": None if task.error is None else mask(str(task.error)),
        "interrupts": [interrupt_record(item) for item in task.interrupts],
        "checkpoint": _subgraph_checkpoint(nested),
        "state": state_wire(nested, mask) if isinstance(nested, StateSnapshot) else None,
        "result": json.to_jsonable(task.result) if task.result is not None else None,
    }


def _subgraph_checkpoint(nested: Any) -> dict[str, Any] | None:
    """Where a task's subgraph keeps its state; without an id this is its newest checkpoint."""
    config = nested.config if isinstance(nested, StateSnapshot) else nested
    if not isinstance(config, dict):
        return None
    return {key: item for key, item in config.get("configurable", {}).items() if key in _CHECKPOINT_KEYS}


def _public(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if not key.startswith("__")}
