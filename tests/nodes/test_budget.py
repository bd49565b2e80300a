"""What is counted as spent, and which settings of a run are refused."""

import time
from typing import Any

import pytest
from pydantic import ValidationError

from graphs.plan_execute import build as plan_execute
from graphs.react import build as react
from graphs.tree_of_thought import build as tree_of_thought
from nodes.budget import exhausted
from nodes.context import ModelContext
from nodes.models import EnvironmentModels
from nodes.offline import OfflineChatModel
from nodes.state import Spent, add_spent
from tests.graphs.asking import asked


def counted(*parts: Spent) -> Spent:
    total = Spent()
    for part in parts:
        total = add_spent(total, part)
    return total


def test_tasks_of_one_super_step_take_as_long_as_the_longest_of_them() -> None:
    side_by_side = [Spent(step=3, step_seconds=seconds) for seconds in (1.0, 4.0, 2.0)]
    assert counted(*side_by_side)["seconds"] == 4.0
    assert counted(*side_by_side, Spent(step=4, step_seconds=0.5))["seconds"] == 4.5


async def test_a_search_of_many_tasks_side_by_side_counts_no_more_seconds_than_passed() -> None:
    graph, started = tree_of_thought(EnvironmentModels({"MODEL": "offline"})), time.monotonic()
    state = await graph.ainvoke(asked("4 9 10 13"))
    assert 0 < state["spent"]["seconds"] <= time.monotonic() - started


def test_calls_and_tokens_add_up() -> None:
    total = counted(Spent(model_calls=1, input_tokens=5), Spent(model_calls=2, input_tokens=7, dollars=0.5))
    assert total == {"model_calls": 3, "input_tokens": 12, "dollars": 0.5}


def test_the_bound_that_is_reached_is_named() -> None:
    nothing = Spent(model_calls=0, tool_calls=0, input_tokens=0, output_tokens=0, dollars=0.0, seconds=0.0)
    context = ModelContext(max_model_calls=3, max_seconds=10)
    assert exhausted(nothing, context) is None
    assert exhausted({**nothing, "model_calls": 3}, context) == "3 model calls"
    assert exhausted({**nothing, "seconds": 10.5}, context) == "10 seconds"


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (react, {"temperature": 3}, "temperature"),
    (react, {"max_model_calls": 0}, "max_model_calls"),
    (react, {"no_such_setting": 1}, "no_such_setting"),
    (react, {"model": "gpt-5"}, "must be 'offline' or '<provider>:<name>'"),
    (react, {"fallback_models": ["replay:file"]}, "only MODEL can name a file"),
    (react, {"max_dollars": 1}, "needs input_price and output_price"),
    (react, {"memory": "elephant"}, "memory"),
    (react, {"tools": ["hammer"]}, "no tool 'hammer'; there are: calculator"),
    (react, {"approve_tools": ["calcluator"]}, "no tool 'calcluator'; there are: calculator"),
    (plan_execute, {"approve_tools": ["hammer"]}, "no tool 'hammer'; there are: calculator"),
    (tree_of_thought, {"model": "openai:x"}, "openai:x needs OPENAI_API_KEY"),
    (react, {"model": "nosuch:x"}, "nosuch:x needs a provider langchain knows, not 'nosuch'; there are: offline, "),
    (react, {"fallback_models": ["claude3:7b"]}, "claude3:7b needs a provider langchain knows, not 'claude3'"),
    (plan_execute, {"model": "upstage:x"}, "upstage:x needs the package 'langchain-upstage': pip install langchain-up"),
    (react, {"response_schema": {"type": "no such type"}}, "response_schema is no JSON schema"),
    (plan_execute, {"max_steps": 0}, "max_steps"),
    (tree_of_thought, {"beam": 0}, "beam"),
    (tree_of_thought, {"evaluate": "guess"}, "evaluate"),
]


@pytest.mark.parametrize(("build", "context", "says"), WRONG)
async def test_a_wrong_setting_is_an_error_before_the_model_is_asked(
    build: Any, context: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)

    def never(choice: Any) -> OfflineChatModel:
        raise AssertionError("the model was asked")

    with pytest.raises(ValidationError, match=says):
        await build(never).ainvoke(asked("hello"), context=context)


@pytest.mark.parametrize("build", [react, plan_execute, tree_of_thought])
def test_every_setting_has_a_type_and_a_description_for_forms(build: Any) -> None:
    schema = build(EnvironmentModels({"MODEL": "offline"})).get_context_jsonschema()
    assert schema["properties"].keys() >= {"model", "temperature", "memory", "max_model_calls", "tools"}
    assert all("description" in setting and "default" in setting for setting in schema["properties"].values())
