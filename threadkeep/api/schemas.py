"""The wire form of requests: what clients send, with the field names and defaults of the Agent Server API.

Clients send `null` for what they leave out, and fields that only newer servers know: both are accepted everywhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from threadkeep.storage.metadata import excess_of

Object = dict[str, Any]


def _or_empty(value: Any) -> Any:
    return {} if value is None else value


def _fit(metadata: Object) -> Object:
    if excess := excess_of(metadata):
        raise ValueError(excess)
    return metadata


def _run_config(value: Object) -> Object:
    """A run's configuration, in so far as it must have a form: the rest is the graph's business."""
    tags = value.get("tags")
    for key in ("configurable", "metadata"):
        if not isinstance(value.get(key) or {}, dict):
            raise ValueError(f"{key} must be an object")
    for key in ("recursion_limit", "max_concurrency"):
        limit = value.get(key)
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            raise ValueError(f"{key} must be a whole number of at least 1")
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise ValueError("tags must be a list of strings")
    return {key: item for key, item in value.items() if item is not None}


ObjectOrNull = Annotated[Object, BeforeValidator(_or_empty)]
Metadata = Annotated[Object, AfterValidator(_fit)]
MetadataOrNull = Annotated[ObjectOrNull, AfterValidator(_fit)]
AssistantField = Literal[
    "assistant_id", "graph_id", "config", "context", "metadata", "name", "description", "version",
    "created_at", "updated_at",
]  # fmt: skip
ThreadField = Literal[
    "thread_id", "created_at", "updated_at", "state_updated_at", "metadata", "config", "status", "values", "error",
    "interrupts",
]  # fmt: skip
RunConfig = Annotated[Object, BeforeValidator(_or_empty), AfterValidator(_run_config)]


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore")

    @field_validator("*")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        """JSON can escape half a character (`\\ud800`), which no file and no wire can carry."""
        for text in value if isinstance(value, list) else (value,):
            if isinstance(text, str) and not text.isascii():
                try:
                    text.encode()
                except UnicodeEncodeError:
                    raise ValueError("is not valid Unicode: it holds half of a surrogate pair") from None
        return value


def example(body: Object) -> ConfigDict:
    """What the API's documentation shows for a body."""
    return ConfigDict(extra="ignore", json_schema_extra={"examples": [body]})


class Page(Body):
    limit: int = Field(10, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=2**31)


class AssistantFilter(Body):
    metadata: MetadataOrNull = {}
    graph_id: str | None = None
    name: str | None = Field(None, description="Part of the name, in any case")

    model_config = example({"graph_id": "react"})


class AssistantSearch(AssistantFilter, Page):
    sort_by: Literal["assistant_id", "created_at", "updated_at", "name", "graph_id"] | None = None
    sort_order: Literal["asc", "desc"] | None = None
    select: list[AssistantField] | None = None

    model_config = example({"metadata": {"created_by": "system"}, "limit": 10})


class AssistantChanges(Body):
    graph_id: str | None = None
    config: Annotated[Object, AfterValidator(_run_config)] | None = None
    context: Object | None = None
    metadata: Metadata | None = None
    name: str | None = None
    description: str | None = None

    model_config = example({"name": "Careful", "context": {"recursion": 10}})


class AssistantCreate(AssistantChanges):
    graph_id: str
    assistant_id: str | None = None
    if_exists: Literal["raise", "do_nothing"] | None = None

    model_config = example({"graph_id": "react", "name": "Careful", "metadata": {"team": "support"}})


class AssistantVersionsQuery(Page):
    metadata: MetadataOrNull = {}

    model_config = example({"limit": 10})


class AssistantVersionChoice(Body):
    version: int = Field(ge=1, le=2**31)

    model_config = example({"version": 1})


class ThreadTtl(Body):
    strategy: Literal["delete", "keep_latest"] = Field("delete", description="What expires: the thread, or its past")
    ttl: float = Field(gt=0, le=60 * 24 * 36500, description="Minutes")


def _ttl_object(value: Any) -> Any:
    return {"ttl": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


Ttl = Annotated[ThreadTtl | None, BeforeValidator(_ttl_object)]


class SuperstepUpdate(Body):
    values: Any = None
    command: Object | None = None
    as_node: str | None = None


class Superstep(Body):
    updates: list[SuperstepUpdate] = Field(min_length=1)


class ThreadCreate(Body):
    thread_id: str | None = None
    metadata: MetadataOrNull = {}
    if_exists: Literal["raise", "do_nothing"] | None = None
    ttl: Ttl = None
    supersteps: list[Superstep] | None = Field(None, description="State to begin with; needs metadata.graph_id")

    model_config = example({"metadata": {"team": "support"}})


class ThreadPatch(Body):
    metadata: MetadataOrNull = {}
    ttl: Ttl = None

    model_config = example({"metadata": {"title": "Percentages"}})


class ThreadFilter(Body):
    ids: list[str] | None = None
    metadata: MetadataOrNull = {}
    values: MetadataOrNull = Field(
        {}, description="Part of the state; has to look into every thread that the rest finds"
    )
    status: Literal["idle", "busy", "interrupted", "error"] | None = None
    text: str | None = Field(
        None, max_length=200, description="Words of its title, its first or its last message, or its id"
    )

    model_config = example({"metadata": {"graph_id": "react"}, "status": "idle"})


class ThreadSearch(ThreadFilter, Page):
    sort_by: Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"] | None = None
    sort_order: Literal["asc", "desc"] | None = None
    select: list[ThreadField] | None = None
    extract: dict[str, str] | None = Field(None, description='{"last": "values.messages[-1].content"}', max_length=10)

    model_config = example({"metadata": {"graph_id": "react"}, "status": "idle", "limit": 10})


class ThreadPrune(Body):
    thread_ids: list[str] = Field(max_length=1000)
    strategy: Literal["delete", "keep_latest"] = "delete"

    model_config = example({"thread_ids": ["019a9f00-0000-7000-8000-000000000001"], "strategy": "keep_latest"})


class CheckpointRef(Body):
    """A checkpoint; one without an id means the newest. The rest follows from the thread."""

    thread_id: str | None = None
    checkpoint_ns: str | None = None
    checkpoint_id: str | None = None
    checkpoint_map: Object | None = None


class StateUpdate(Body):
    values: Any = None
    as_node: str | None = Field(None, description="The node to write as; __copy__ repeats the checkpoint as a fork")
    checkpoint: CheckpointRef | None = None
    checkpoint_id: str | None = None

    model_config = example({"values": {"messages": [{"role": "user", "content": "hello"}]}})


class StateAtCheckpoint(Body):
    checkpoint: CheckpointRef
    subgraphs: bool | None = None
    select: list[str] | None = None

    model_config = example({"checkpoint": {"checkpoint_id": "1f0c7a00-0000-6000-8000-000000000003"}})


class HistoryQuery(Body):
    limit: int | None = Field(10, ge=1, le=1000)
    before: str | Object | None = None
    metadata: Metadata | None = None
    checkpoint: CheckpointRef | None = None
    select: list[str] | None = None

    model_config = example({"limit": 10})
