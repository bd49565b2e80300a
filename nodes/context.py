"""What a run or an assistant may choose: the typed `context` of each graph.

Checked when a run starts, so that a wrong value is a clear error before anything is spent. Studio and assistants show
these fields as a form.
"""

from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from nodes.models import require_usable

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class ModelContext:
    """What every graph lets a run choose: its model, its budget, its tools, its memory."""

    model: str | None = Field(default=None, description="Model, as <provider>:<name>; empty: what the server uses.")
    fallback_models: tuple[str, ...] = Field(
        default=(), description="Models to ask, in order, when the model before cannot be reached."
    )
    temperature: float | None = Field(default=None, ge=0, le=2, description="Sampling temperature.")
    max_tokens: int | None = Field(default=None, ge=1, description="Longest answer of one model call, in tokens.")

    instructions: str | None = Field(
        default=None, max_length=20_000, description="What the model is told besides, in every conversation with you."
    )

    max_model_calls: int = Field(default=25, ge=1, description="Model calls a run may make.")
    max_tool_calls: int = Field(default=50, ge=0, description="Tool calls a run may make.")
    max_run_tokens: int | None = Field(default=None, ge=1, description="Tokens a run may use, in and out.")
    max_seconds: float = Field(default=300.0, gt=0, description="Seconds a run may work; waiting for you is free.")
    max_dollars: float | None = Field(default=None, gt=0, description="Dollars a run may cost; needs both prices.")
    input_price: float = Field(default=0.0, ge=0, description="Dollars for a million tokens read by the model.")
    output_price: float = Field(default=0.0, ge=0, description="Dollars for a million tokens written by the model.")

    tools: tuple[str, ...] | None = Field(default=None, description="Names of the tools to offer; empty: all.")

    memory: Literal["buffer", "summary", "combined"] = Field(
        default="buffer",
        description="What the model sees of a long thread: its last turns, a summary, or a summary and the last turns.",
    )
    history_tokens: int = Field(default=8000, ge=200, description="Tokens of history a model call may be sent.")
    keep_turns: int = Field(default=6, ge=1, description="Latest turns that `combined` keeps whole as far as they fit.")
    long_term_memory: bool = Field(default=True, description="Remember preferences and notes of the user.")

    @model_validator(mode="after")
    def _models_can_be_used(self) -> "ModelContext":
        for name in filter(None, (self.model, *self.fallback_models)):
            require_usable(name)
        return self

    @model_validator(mode="after")
    def _dollars_need_prices(self) -> "ModelContext":
        if self.max_dollars is not None and not (self.input_price and self.output_price):
            raise ValueError("max_dollars needs input_price and output_price (dollars for a million tokens)")
        return self


@dataclass(frozen=True, config=STRICT)
class ReactContext(ModelContext):
    """Settings of the `react` graph."""

    approve_tools: tuple[str, ...] = Field(default=(), description="Tools whose every call waits for your approval.")
    response_schema: dict[str, Any] | None = Field(
        default=None, description="JSON schema; the answer is also given as an object of it."
    )

    @model_validator(mode="after")
    def _schema_is_one(self) -> "ReactContext":
        try:
            Draft202012Validator.check_schema(self.response_schema or {})
        except SchemaError as error:
            raise ValueError(f"response_schema is no JSON schema: {error.message}") from error
        return self


@dataclass(frozen=True, config=STRICT)
class PlanContext(ReactContext):
    """Settings of the `plan_execute` graph."""

    max_steps: int = Field(default=10, ge=1, le=50, description="Longest plan, in steps.")
    max_step_attempts: int = Field(default=2, ge=1, le=5, description="How often a failing step is tried.")
    max_replans: int = Field(default=2, ge=0, le=10, description="How often a plan with a failed step is made anew.")
    approve_plan: bool = Field(default=False, description="Wait for your approval of the plan.")


@dataclass(frozen=True, config=STRICT)
class SearchContext(ModelContext):
    """Settings of the `tree_of_thought` graph."""

    max_model_calls: int = Field(default=2000, ge=1, description="Model calls a run may make.")
    strategy: Literal["breadth", "depth"] = Field(
        default="breadth", description="Breadth first with a beam, or depth first."
    )
    generate: Literal["propose", "sample"] = Field(
        default="propose", description="One call for several thoughts, or one call for each."
    )
    evaluate: Literal["value", "vote"] = Field(
        default="value", description="Judge each state alone by labels, or vote for the best of a level."
    )
    beam: int = Field(default=5, ge=1, le=50, description="States kept at each level of the search.")
    depth: int = Field(default=3, ge=1, le=10, description="Levels of thoughts (a Game of 24 sets its own).")
    thoughts: int = Field(default=5, ge=1, le=50, description="Thoughts that `sample` asks for, one call each.")
    max_thoughts: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Most thoughts taken from one call; empty: the problem's own.",
    )
    samples: int = Field(default=3, ge=1, le=10, description="How often each state is valued, or a vote is taken.")
    max_states: int = Field(default=100, ge=1, le=1000, description="States a depth-first search may visit.")
    prune_below: float = Field(
        default=0.01,
        ge=0,
        description="Depth first: leave a state whose value, per sample, is lower (impossible: 0.001).",
    )
