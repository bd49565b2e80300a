"""The wire form of run requests: every field of the Agent Server API's RunCreate, and what it means when left out."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import ConfigDict, Field

from threadkeep.api.requests import listed
from threadkeep.api.schemas import Body, CheckpointRef, MetadataOrNull, Object, RunConfig, example
from threadkeep.errors import InvalidError
from threadkeep.runs.accept import RunRequest
from threadkeep.runs.run import Durability, MultitaskStrategy
from threadkeep.streams.frames import STREAM_MODES

RunField = Literal[
    "run_id", "thread_id", "assistant_id", "metadata", "status", "kwargs", "multitask_strategy", "error",
    "cancel_reason", "attempt", "usage", "created_at", "updated_at",
]  # fmt: skip


class RunCreate(Body):
    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [
                {
                    "assistant_id": "react",
                    "input": {"messages": [{"role": "user", "content": "what is 17.5% of 2,340?"}]},
                    "stream_mode": ["values", "messages-tuple"],
                }
            ]
        },
    )

    assistant_id: str = Field(description="An assistant's id, or the name of a graph")
    input: Any = None
    command: Object | None = Field(None, description="resume, update, goto; wins over input")
    checkpoint: CheckpointRef | None = None
    checkpoint_id: str | None = None
    metadata: MetadataOrNull = Field(default_factory=dict)
    config: RunConfig = Field(default_factory=dict)
    context: Object | None = None
    webhook: str | None = None
    interrupt_before: list[str] | Literal["*"] | None = None
    interrupt_after: list[str] | Literal["*"] | None = None
    stream_mode: str | list[str] | None = Field(None, description=f"One or several of: {', '.join(STREAM_MODES)}")
    stream_subgraphs: bool | None = None
    stream_resumable: bool | None = None
    feedback_keys: list[str] | None = None
    multitask_strategy: MultitaskStrategy | None = None
    if_not_exists: Literal["create", "reject"] | None = None
    after_seconds: float | None = Field(None, ge=0, le=60 * 60 * 24 * 366)
    checkpoint_during: bool | None = None
    durability: Durability | None = None
    on_disconnect: Literal["cancel", "continue"] | None = None
    on_completion: Literal["delete", "keep"] | None = None

    def request(self, *, idempotency_key: str | None = None) -> RunRequest:
        """What was asked, with the API's defaults in place; `InvalidError` for a stream mode that does not exist."""
        checkpoint = {} if self.checkpoint is None else self.checkpoint.model_dump(exclude_none=True)
        if self.checkpoint_id is not None:
            checkpoint["checkpoint_id"] = self.checkpoint_id
        return RunRequest(
            assistant_id=self.assistant_id,
            input=self.input,
            command=_command(self.command),
            checkpoint=checkpoint,
            metadata=self.metadata,
            config=self.config,
            context=self.context,
            stream_mode=stream_modes(self.stream_mode) or ["values"],
            stream_subgraphs=bool(self.stream_subgraphs),
            stream_resumable=bool(self.stream_resumable),
            interrupt_before=self.interrupt_before,
            interrupt_after=self.interrupt_after,
            durability=self.durability or {None: None, True: "async", False: "exit"}[self.checkpoint_during],
            webhook=self.webhook,
            feedback_keys=self.feedback_keys,
            multitask_strategy=self.multitask_strategy or "enqueue",
            if_not_exists=self.if_not_exists or "reject",
            after_seconds=self.after_seconds or 0.0,
            on_disconnect=self.on_disconnect or "continue",
            on_completion=self.on_completion or "delete",
            idempotency_key=idempotency_key,
        )


class CancelMany(Body):
    thread_id: str | None = None
    run_ids: list[str] | None = None
    status: Literal["pending", "running", "all"] | None = None

    model_config = example({"status": "pending"})


def stream_modes(asked: str | list[str] | None) -> list[str]:
    """The modes asked for, each once; `InvalidError` for one that does not exist."""
    modes = listed([asked] if isinstance(asked, str) else asked) or []
    for mode in modes:
        if mode not in STREAM_MODES:
            raise InvalidError(f"stream_mode {mode!r} does not exist; use one or several of {', '.join(STREAM_MODES)}")
    return modes


def run_fields(asked: list[str] | None) -> list[str] | None:
    """The fields of runs asked for in a query; `InvalidError` for one that no run has."""
    fields = listed(asked)
    for name in fields or ():
        if name not in get_args(RunField):
            raise InvalidError(f"select: runs have no {name!r}; use one or several of {', '.join(get_args(RunField))}")
    return fields


def _command(command: Object | None) -> Object | None:
    """Only `resume`, `update` and `goto` count; an object without any of them is no command."""
    if command is None:
        return None
    given = {key: command[key] for key in ("resume", "update", "goto") if command.get(key) is not None}
    update = given.get("update")
    pairs = isinstance(update, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in update)
    if update is not None and not pairs and not isinstance(update, dict):
        raise InvalidError("command.update must be an object, or a list of [key, value] pairs.")
    return given or None
