import pytest
from langchain_core.messages import AIMessage

from graphs.plan_execute import build
from nodes.models import ChatModels
from tests.graphs.asking import asked


@pytest.mark.fault("plan.data_flow")
async def test_the_second_step_uses_the_output_of_the_first(models: ChatModels) -> None:
    state = await build(models).ainvoke(asked("add 12 and 30, then multiply the result by 7"))
    first, second = state["plan"]
    assert (first["status"], first["output"]) == ("done", "42")
    assert (second["args"], second["depends_on"]) == ({"expression": "$s1 * 7"}, ["s1"])
    assert (second["status"], second["output"]) == ("done", "294")
    assert "294" in state["messages"][-1].text


async def test_independent_steps_go_out_in_one_wave(models: ChatModels) -> None:
    states = build(models).astream(asked("what is 2+2 and 3*4 and 10/5"), stream_mode="values")
    waves = [[step["status"] for step in state.get("plan", [])] async for state in states]
    assert ["running"] * 3 in waves
    assert waves[-1] == ["done"] * 3


@pytest.mark.fault("plan.empty")
async def test_what_needs_no_plan_is_answered_directly(models: ChatModels) -> None:
    state = await build(models).ainvoke(asked("my name is Ada"))
    assert state["plan"] == []
    assert "Ada" in state["messages"][-1].text


@pytest.mark.fault("plan.shown")
async def test_only_the_answer_reaches_the_stream_of_messages(models: ChatModels) -> None:
    tokens = [
        message.text
        async for message, _ in build(models).astream(asked("add 12 and 30"), stream_mode="messages")
        if isinstance(message, AIMessage)
    ]
    assert "".join(tokens) == "Compute 12 + 30: 42\nResult: 42"
    assert len(tokens) > 3
