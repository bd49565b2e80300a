"""Plans that go wrong, and people who want a say in them."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from graphs.plan_execute import build
from nodes.models import ChatModels
from nodes.offline import reply
from nodes.plan_schema import faults
from nodes.tools.calculator import calculator
from nodes.tools.toolkit import Toolkit
from tests.graphs.asking import HERE, asked, results
from tests.graphs.conftest import models_of
from tests.model_server.server import ModelServer

QUESTION = asked("add 12 and 30, then multiply the result by 7")


def step(name: str, *needs: str, tool: str | None = "calculator", **args: str) -> dict[str, Any]:
    return {"id": name, "task": f"do {name}", "tool": tool, "args": args, "depends_on": list(needs)}


def planner(server: ModelServer, *plans: list[dict[str, Any]]) -> None:
    """The server's brain becomes one that gives these plans, one per time it is asked for a plan."""
    left = list(plans)

    def brain(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
        if schema and schema["name"] == "plan":
            return AIMessage(json.dumps({"steps": left.pop(0)}))
        return reply(messages, tools, schema)

    server.brain = brain


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([step("a"), step("a")], "id 'a' is used twice"),
        ([step("a", "b")], "step a depends on 'b', which is no step"),
        ([step("a"), step("b", expression="$a")], "step b uses $a but does not depend on it"),
        ([step("a", expression="$s9 + 1")], "step a uses $s9 but does not depend on it"),
        ([step("a", "b"), step("b", "a")], "these steps wait for each other: a, b"),
        ([step("a", "a")], "these steps wait for each other: a"),
        ([step("a"), step("b", "a", expression="$a * 2, not $5")], None),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_told_why(steps: list[dict[str, Any]], fault: str | None) -> None:
    assert faults(steps) == ([fault] if fault else [])


@pytest.mark.fault("plan.faulty")
@pytest.mark.parametrize(
    "faulty",
    [
        [step("a", "b", expression="1"), step("b", "a", expression="2")],
        [step("a", tool="nosuch", expression="1")],
        [step("a", expr="1 + 1")],
        [step("a", expression="1", extra="2")],
    ],
)
async def test_a_faulty_plan_is_repaired_once_with_its_faults_named(server: ModelServer, faulty: Any) -> None:
    planner(server, faulty, [step("s1", expression="20 + 1")])
    state = await build(models_of(server)).ainvoke(QUESTION)
    assert [(one["status"], one["output"]) for one in state["plan"]] == [("done", "21")]
    complaint = server.requests[1]["messages"][-1]["content"]
    assert len(complaint.splitlines()) > 1


@pytest.mark.fault("plan.unusable")
async def test_react_answers_when_even_the_repaired_plan_is_unusable(server: ModelServer) -> None:
    planner(server, [step("a", "a")], [step("a", "a")])
    state = await build(models_of(server)).ainvoke(QUESTION)
    assert state["usable"] is False
    assert results(state) == [("success", "42"), ("success", "294")]
    assert "294" in state["messages"][-1].text


@pytest.mark.fault("model.no_schemas")
async def test_a_server_that_knows_no_schemas_is_asked_in_words(server: ModelServer) -> None:
    def brain(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
        last = messages[-1].text
        if '"title": "plan"' not in last:
            return reply(messages, tools, None)
        schema = {"name": "plan", "schema": json.loads(last[last.index("{") :])}
        return AIMessage(
            f"<think>Which {{braces}}?</think> Here you are:\n{reply(messages[:-1], [], schema).text}\nDone."
        )

    server.brain, server.knows_schemas = brain, False
    state = await build(models_of(server)).ainvoke(QUESTION)
    assert [one["output"] for one in state["plan"]] == ["42", "294"]
    assert len(server.requests) == 3


@tool
def flaky(expression: str) -> str:
    """Always fails."""
    raise ToolException(f"no {expression} today")


@pytest.mark.fault("plan.failed_step")
async def test_a_failed_step_is_tried_again_then_planned_anew_with_done_steps_frozen(server: ModelServer) -> None:
    first = [step("s1", expression="40 + 2"), step("s2", "s1", tool="flaky", expression="$s1")]
    second = [step("s3", "s1", expression="$s1 * 7")]
    planner(server, [*first, step("s4", "s2", expression="$s2")], second)
    graph, attempts = build(models_of(server), Toolkit([calculator, flaky])), []
    async for mode, chunk in graph.astream(QUESTION, stream_mode=["custom", "values"]):
        if mode == "custom" and chunk["type"] == "plan_step" and chunk["step"]["tool"] == "flaky":
            attempts.append((chunk["step"]["status"], chunk["step"]["attempts"]))
        state = chunk if mode == "values" else {}
    assert attempts == [("running", 1), ("pending", 1), ("running", 2), ("failed", 2)]
    assert [(one["id"], one["status"], one["output"]) for one in state["plan"]] == [
        ("s1", "done", "42"),
        ("s3", "done", "294"),
    ]
    assert state["replans"] == 1
    assert state["spent"]["tool_calls"] == 4


@pytest.mark.fault("plan.endless")
async def test_what_cannot_be_done_is_named_beside_what_was_done(models: ChatModels) -> None:
    question = asked("what is 2 + 2 and 1/0, then multiply the result by 7")
    state = await build(models).ainvoke(question, context={"max_replans": 1})
    assert [one["status"] for one in state["plan"]] == ["done", "failed", "skipped"]
    answer = state["messages"][-1].text
    assert "4" in answer
    assert "division by zero" in answer
    assert "Not all was done" in answer


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"max_model_calls": 1}, "budget of 1 model calls"),
        ({"max_tool_calls": 1}, "budget of tool calls is used up"),
    ],
)
async def test_a_plan_stops_at_its_budget_with_what_there_is(models: ChatModels, context: Any, says: str) -> None:
    state = await build(models).ainvoke(QUESTION, context=context)
    assert says in state["messages"][-1].text


async def test_a_tool_that_hangs_ends_with_the_time_of_the_run(server: ModelServer) -> None:
    @tool
    async def hang(expression: str) -> str:
        """Never return."""
        await asyncio.Event().wait()
        return expression

    planner(server, [step("s1", tool="hang", expression="1")])
    context = {"max_seconds": 0.3, "max_step_attempts": 1, "max_replans": 0}
    state = await build(models_of(server), Toolkit([hang])).ainvoke(QUESTION, context=context)
    assert "0.3 seconds is used up" in state["messages"][-1].text


async def test_steps_of_a_wave_run_side_by_side(server: ModelServer) -> None:
    meeting = asyncio.Barrier(3)

    @tool
    async def meet(expression: str) -> str:
        """Return only once all have come."""
        await asyncio.wait_for(meeting.wait(), 5)
        return expression

    planner(server, [step(name, tool="meet", expression=name) for name in "abc"])
    state = await build(models_of(server), Toolkit([meet])).ainvoke(QUESTION)
    assert [one["output"] for one in state["plan"]] == ["a", "b", "c"]


async def test_a_step_without_a_tool_is_carried_out_by_the_model_and_long_outputs_are_cut(server: ModelServer) -> None:
    plan = [step("s1", tool=None), step("s2", "s1", tool=None)]
    seen: list[dict[str, Any]] = []

    def brain(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
        if schema:
            return AIMessage(json.dumps({"steps": plan}))
        data = json.loads(next(m.text for m in reversed(messages) if isinstance(m, HumanMessage)))
        seen.append(data)
        return AIMessage("long " * 2000)

    server.brain = brain
    await build(models_of(server)).ainvoke(QUESTION)
    assert seen[0] == {"task": "do s1", "inputs": {}}
    assert len(seen[1]["inputs"]["s1"]) < 4100
    assert seen[1]["inputs"]["s1"].endswith("(10000 characters in all)")


def decision(kind: str, **more: Any) -> dict[str, Any]:
    return {"decisions": [{"type": kind, **more}]}


def edit(*steps: dict[str, Any]) -> dict[str, Any]:
    return decision("edit", edited_action={"name": "execute_plan", "args": {"steps": list(steps)}})


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([decision("approve")], [("done", "42"), ("done", "294")]),
        ([edit(step("s1", expression="50 + 4"))], [("done", "54")]),
        ([edit(step("s1", "s1")), decision("approve")], [("done", "42"), ("done", "294")]),
        ([decision("reject", message="no")], [("skipped", "the user rejected the plan. no")] * 2),
    ],
)
@pytest.mark.parametrize("context", [{"approve_plan": True}, {"approve_tools": ["calculator"]}])
async def test_a_plan_is_carried_out_only_as_a_person_decides(
    models: ChatModels, decisions: list[Any], expected: list[tuple[str, str]], context: dict[str, Any]
) -> None:
    graph = build(models).copy({"checkpointer": InMemorySaver()})
    state = await graph.ainvoke(QUESTION, HERE, context=context)
    for answer in decisions:
        (request,) = state["__interrupt__"][0].value["action_requests"]
        assert request["name"] == "execute_plan"
        state = await graph.ainvoke(Command(resume=answer), HERE, context=context)
    assert ("cannot be used" in request["description"]) == (len(decisions) > 1)  # a faulty edit is asked about again
    assert [(one["status"], one["output"]) for one in state["plan"]] == expected


async def test_a_planner_that_hangs_ends_with_the_time_of_the_run(server: ModelServer) -> None:
    server.fail_next("hang")
    state = await build(models_of(server)).ainvoke(QUESTION, context={"max_seconds": 0.3})
    assert "0.3 seconds is used up" in state["messages"][-1].text


async def test_an_answer_that_hangs_is_replaced_by_what_the_steps_gave(server: ModelServer) -> None:
    server.fail_next(None, "hang")
    state = await build(models_of(server)).ainvoke(QUESTION, context={"max_seconds": 4})
    assert "4 seconds is used up. What there is:" in state["messages"][-1].text
    assert "Compute 42 * 7 (done): 294" in state["messages"][-1].text


async def test_half_a_character_in_a_plan_does_not_break_the_thread(server: ModelServer) -> None:
    planner(server, [{**step("s1", expression="2 + 3"), "task": "add \ud83d"}])
    graph = build(models_of(server)).copy({"checkpointer": InMemorySaver()})
    state = await graph.ainvoke(QUESTION, HERE)
    assert [(one["task"], one["status"], one["output"]) for one in state["plan"]] == [("add ?", "done", "5")]
