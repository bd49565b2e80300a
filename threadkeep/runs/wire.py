"""A run as clients see it: in the API's answers and in webhooks."""

from __future__ import annotations

from typing import Any

from threadkeep.runs.run import Run


def run_wire(run: Run) -> dict[str, Any]:
    kwargs = run.kwargs
    return {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "assistant_id": run.assistant_id,
        "metadata": run.metadata,
        "status": run.status,
        "kwargs": {
            "input": kwargs.input,
            "command": kwargs.command,
            "config": kwargs.config,
            "context": kwargs.context,
            "stream_mode": kwargs.stream_mode,
            "interrupt_before": kwargs.interrupt_before,
            "interrupt_after": kwargs.interrupt_after,
            "webhook": kwargs.webhook,
            "feedback_keys": kwargs.feedback_keys,
            "temporary": kwargs.temporary,
            "subgraphs": kwargs.stream_subgraphs,
            "resumable": kwargs.stream_resumable,
            "durability": kwargs.durability,
        },
        "multitask_strategy": run.multitask_strategy,
        "error": run.error,
        "cancel_reason": run.cancel_reason,
        "attempt": run.attempt,
        "usage": run.outcome.get("usage"),
        "created_at": run.created_at,
        "updated_at": run.updated_at or run.created_at,
    }
