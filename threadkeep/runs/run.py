"""A run: one execution of a graph on a thread, from acceptance to its end.

    pending ──claim──▶ running ──finish──▶ success | error | timeout | interrupted
       ▲                  │
       └──release, rescue─┘            (a cancelled run ends as interrupted; a rolled back one is deleted)

A graph that stops at an `interrupt()` ends its run with `success` and leaves its thread `interrupted`, as the Agent
Server API has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from threadkeep.storage.thread_rows import ThreadStatus

RunStatus = Literal["pending", "running", "error", "success", "timeout", "interrupted"]
"""pending: accepted, not started. running: an attempt is under way. The rest are ends; interrupted: cancelled."""
RUN_STATUSES: tuple[str, ...] = get_args(RunStatus)
ACTIVE: frozenset[str] = frozenset({"pending", "running"})

MultitaskStrategy = Literal["reject", "interrupt", "rollback", "enqueue"]
"""A run that meets another on its thread: is refused, replaces it, replaces and undoes it, or waits for it."""
MULTITASK_STRATEGIES: tuple[str, ...] = get_args(MultitaskStrategy)

CancelAction = Literal["interrupt", "rollback"]
"""interrupt: stop, keep what was done. rollback: stop, and undo the run's checkpoints."""

Durability = Literal["sync", "async", "exit"]


@dataclass(frozen=True, slots=True)
class RunKwargs:
    """All that execution needs; stored with the run, so that a restart needs nothing else."""

    input: Any = None
    command: dict[str, Any] | None = None
    config: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] | None = None
    stream_mode: list[str] = field(default_factory=lambda: ["values"])
    stream_subgraphs: bool = False
    stream_resumable: bool = False
    interrupt_before: list[str] | Literal["*"] | None = None
    interrupt_after: list[str] | Literal["*"] | None = None
    durability: Durability | None = None
    webhook: str | None = None
    feedback_keys: list[str] | None = None
    on_disconnect: Literal["cancel", "continue"] = "continue"
    user: dict[str, Any] | None = None
    """Who asked, when they had to say so: for the graph to read, also after a restart."""
    request_id: str | None = None
    """The request that asked for it, for the log."""
    traceparent: str | None = None
    """Its span, for the trace."""
    home: str | None = None
    """The process that accepted it, where several share the queue: its client waits there."""
    temporary: bool = False
    """The thread was made for this run alone and is deleted after it."""


@dataclass(frozen=True, slots=True)
class Run:
    run_id: str
    thread_id: str
    assistant_id: str
    graph_id: str
    kwargs: RunKwargs
    created_at: str
    owner: str | None = None
    user_id: str | None = None
    status: RunStatus = "pending"
    multitask_strategy: MultitaskStrategy = "enqueue"
    metadata: dict[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    due_at: str = ""
    attempt: int = 0
    failed_attempts: int = 0
    progress: str | None = None
    cancel: CancelAction | None = None
    cancel_reason: str | None = None
    """Why it was cancelled, in words for its clients."""
    error: dict[str, Any] | None = None
    outcome: dict[str, Any] = field(default_factory=dict)
    updated_at: str = ""
    started_at: str | None = None
    ended_at: str | None = None

    @property
    def active(self) -> bool:
        return self.status in ACTIVE


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, with what the run's and the thread's rows show from then on."""

    status: RunStatus
    thread_status: ThreadStatus
    error: dict[str, Any] | None = None
    thread_error: dict[str, Any] | None = None
    interrupts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    outcome: dict[str, Any] = field(default_factory=dict)
    opening: str | None = None
    preview: str | None = None
    rolled_back: bool = False
    values: bytes | None = None
    """The JSON of the state it came to, for who is told by webhook."""


def cancelled_ending(action: CancelAction) -> Ending:
    if action == "rollback":
        undone = {"error": "UserRollback", "message": "The run was cancelled and what it did was undone."}
        return Ending("interrupted", "idle", thread_error=undone, rolled_back=True)
    stopped = {"error": "UserInterrupt", "message": "The run was cancelled; what it did so far is kept."}
    return Ending("interrupted", "interrupted", thread_error=stopped)
