from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from graphs.react import build
from nodes.models import ChatModels
from tests.graphs.asking import asked


async def test_a_percentage_is_computed_by_calling_the_calculator(models: ChatModels) -> None:
    state = await build(models).ainvoke(asked("what is 17.5% of 2,340?"))
    called = [message.name for message in state["messages"] if isinstance(message, ToolMessage)]
    assert called == ["calculator"]
    assert "409.5" in state["messages"][-1].text


async def test_a_later_calculation_uses_the_result_before(models: ChatModels) -> None:
    state = await build(models).ainvoke(asked("add 12 and 30, then multiply the result by 7"))
    assert [m.text for m in state["messages"] if isinstance(m, ToolMessage)] == ["42", "294"]
    assert "294" in state["messages"][-1].text


async def test_what_was_told_earlier_is_known_in_its_thread_alone(
    models: ChatModels,
) -> None:
    graph = build(models).copy({"checkpointer": InMemorySaver()})
    here, there = {"configurable": {"thread_id": "1"}}, {"configurable": {"thread_id": "2"}}
    await graph.ainvoke(asked("hello, my name is Ada"), here)
    known = await graph.ainvoke(asked("what is my name?"), here)
    unknown = await graph.ainvoke(asked("what is my name?"), there)
    assert known["messages"][-1].text == "Your name is Ada."
    assert "have not told me" in unknown["messages"][-1].text


async def test_a_failing_tool_is_reported_and_ends_no_run(models: ChatModels) -> None:
    state = await build(models).ainvoke(asked("what is 1/0?"))
    failed = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    assert [message.status for message in failed] == ["error"]
    assert "division by zero" in state["messages"][-1].text


async def test_the_answer_streams_in_several_tokens_and_usage_is_counted(models: ChatModels) -> None:
    tokens, spent = [], {}
    async for mode, chunk in build(models).astream(asked("what is 2 + 3?"), stream_mode=["messages", "values"]):
        if mode == "messages" and isinstance(chunk[0], AIMessage):
            tokens.append(chunk[0].text)
        elif mode == "values":
            spent = chunk.get("spent", {})
    assert len([token for token in tokens if token]) > 2
    assert "".join(tokens) == "2 + 3 = 5"
    assert spent["model_calls"] == 2
    assert spent["tool_calls"] == 1
    assert spent["input_tokens"] > spent["output_tokens"] > 0


async def test_a_run_stops_plainly_when_its_model_calls_are_used_up(models: ChatModels) -> None:
    question = asked("add 1 and 2, then multiply the result by 7, then multiply the result by 3")
    state = await build(models).ainvoke(question, context={"max_model_calls": 2})
    assert "budget of 2 model calls" in state["messages"][-1].text
    assert state["spent"]["model_calls"] == 2
