"""The wire form of cron requests: a run's fields, and when it is to be accepted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from threadkeep.api.run_schemas import RunCreate, stream_modes
from threadkeep.api.schemas import Body, MetadataOrNull, Object, Page, RunConfig, example
from threadkeep.runs.accept import RunRequest
from threadkeep.runs.run import Durability, MultitaskStrategy


def _in_utc(moment: datetime) -> datetime:
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("is too far from now") from None


Moment = Annotated[datetime, AfterValidator(_in_utc)]
Schedule = Annotated[str, Field(max_length=300, description="minute hour day-of-month month day-of-week")]
Timezone = Annotated[str, Field(max_length=100, description="An IANA name; UTC when left out")]

_NEW: Object = {
    "assistant_id": "react",
    "schedule": "0 9 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "input": {"messages": [{"role": "user", "content": "what day is today?"}]},
}


class CronCreate(RunCreate):
    schedule: Schedule
    timezone: Timezone | None = None
    end_time: Moment | None = None
    enabled: bool | None = None
    on_run_completed: Literal["delete", "keep"] | None = Field(
        None, description="What becomes of the thread that each run gets; delete unless said"
    )

    model_config = ConfigDict(extra="ignore", json_schema_extra={"examples": [_NEW]})

    def request(self, *, idempotency_key: str | None = None) -> RunRequest:
        body = self.model_copy(update={"on_completion": self.on_run_completed or self.on_completion})
        return RunCreate.request(body, idempotency_key=idempotency_key)


class CronPatch(Body):
    """What is left out or null stays, except that `end_time: null` takes the end away; `metadata` is merged."""

    schedule: Schedule | None = None
    timezone: Timezone | None = None
    end_time: Moment | None = None
    enabled: bool | None = None
    on_run_completed: Literal["delete", "keep"] | None = None
    input: Any = None
    metadata: MetadataOrNull = Field(default_factory=dict)
    config: RunConfig | None = None
    context: Object | None = None
    webhook: str | None = None
    interrupt_before: list[str] | Literal["*"] | None = None
    interrupt_after: list[str] | Literal["*"] | None = None
    stream_mode: str | list[str] | None = None
    stream_subgraphs: bool | None = None
    stream_resumable: bool | None = None
    multitask_strategy: MultitaskStrategy | None = None
    durability: Durability | None = None

    model_config = example({"schedule": "0 10 * * *", "enabled": True})

    def request_changes(self) -> dict[str, Any]:
        """Fields of the run request that change; those the two have in common bear the same names."""
        names = set(RunRequest.__dataclass_fields__) - {"metadata", "stream_mode"}
        given = {name: item for name, item in self if name in names and item is not None}
        if self.stream_mode is not None:
            given["stream_mode"] = stream_modes(self.stream_mode) or ["values"]
        if self.on_run_completed is not None:
            given["on_completion"] = self.on_run_completed
        return given


CronField = Literal[
    "cron_id", "assistant_id", "thread_id", "schedule", "timezone", "end_time", "enabled", "on_run_completed",
    "payload", "metadata", "user_id", "next_run_date", "created_at", "updated_at",
]  # fmt: skip


class CronFilter(Body):
    assistant_id: str | None = Field(None, description="An assistant's id, or the name of a graph")
    thread_id: str | None = None
    enabled: bool | None = None
    metadata: MetadataOrNull = Field(default_factory=dict)

    model_config = example({"assistant_id": "react", "enabled": True})


class CronSearch(CronFilter, Page):
    sort_by: (
        Literal["cron_id", "assistant_id", "thread_id", "created_at", "updated_at", "next_run_date", "end_time"] | None
    ) = None
    sort_order: Literal["asc", "desc"] | None = None
    select: list[CronField] | None = None

    model_config = example({"assistant_id": "react", "limit": 10})
