"""What goes wrong between the model, its tools and people, and what the ReAct graph makes of it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from graphs.react import build
from nodes.model_call import ModelCallError
from nodes.models import ChatModels, chat_model
from nodes.offline import reply
from nodes.tools.calculator import calculator
from nodes.tools.toolkit import Toolkit
from tests.graphs.asking import HERE, asked, results
from tests.graphs.conftest import models_of
from tests.model_server.server import ModelServer, model_server

SUM = asked("what is 2 + 3?")


@pytest.mark.fault("model.passing")
@pytest.mark.fault(21)
@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "drop", "cut", "no_finish"])
@pytest.mark.parametrize("place", [0, 1])
async def test_a_passing_fault_of_the_model_server_does_not_change_the_answer(
    server: ModelServer, fault: Any, place: int
) -> None:
    """`place` is the model call that meets the fault: the one that calls a tool, or the one that answers."""
    server.fail_next(*[None] * place, fault)
    state: dict[str, Any] = {}
    async for mode, part in build(models_of(server)).astream(SUM, stream_mode=["messages", "values"]):
        state = part if mode == "values" else state  # asking for messages makes the model stream
    assert results(state) == [("success", "5")]
    assert state["messages"][-1].text == "2 + 3 = 5"
    assert len(server.requests) == 3


@pytest.mark.fault("model.discard")
async def test_tokens_shown_before_a_stream_broke_are_discarded_by_message_id(server: ModelServer) -> None:
    server.fail_next(None, "no_finish")
    shown: dict[str, str] = {}
    async for mode, chunk in build(models_of(server)).astream(SUM, stream_mode=["messages", "custom"]):
        if mode == "messages" and isinstance(chunk[0], AIMessage):
            shown[chunk[0].id] = shown.get(chunk[0].id, "") + chunk[0].text
        elif mode == "custom" and chunk["type"] == "discard":
            assert shown.pop(chunk["message_id"]) == "2 + 3 = 5"
    assert [text for text in shown.values() if text] == ["2 + 3 = 5"]


@pytest.mark.fault("model.broken")
@pytest.mark.fault(22)
async def test_a_server_that_stays_broken_fails_the_run_after_the_sdks_retries_alone(server: ModelServer) -> None:
    server.fail_next(*["server_error"] * 9)
    with pytest.raises(ModelCallError, match="status 500"):
        await build(models_of(server)).ainvoke(SUM)
    assert len(server.requests) == 3


@pytest.mark.fault("model.broken")
@pytest.mark.parametrize(
    ("fault", "stream_mode", "requests"),
    [("drop", "values", 3), ("drop", "messages", 3), ("cut", "values", 3), ("cut", "messages", 2)],
)
async def test_a_server_that_cuts_every_connection_is_asked_by_one_retry_layer_alone(
    server: ModelServer, fault: Any, stream_mode: Any, requests: int
) -> None:
    """The SDK's two retries, or, where it does not retry (in the middle of a stream), one of ours; never both."""
    server.fail_next(*[fault] * 12)
    with pytest.raises(ModelCallError, match="ConnectionError"):
        async for _ in build(models_of(server)).astream(SUM, stream_mode=stream_mode):
            pass
    assert len(server.requests) == requests


async def test_a_refused_request_is_not_retried(server: ModelServer) -> None:
    server.fail_next("bad_request")
    with pytest.raises(openai.BadRequestError):
        await build(models_of(server)).ainvoke(SUM)
    assert len(server.requests) == 1


@pytest.mark.fault("model.fallback")
async def test_a_fallback_model_answers_when_the_first_cannot_be_reached(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"MODEL": "openai:first", "OPENAI_BASE_URL": server.base_url}
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)  # a run may name only models that can be used here
    server.fail_next(*["server_error"] * 3)
    context = {"fallback_models": ["openai:second"]}
    state = await build(lambda choice: chat_model(choice, environ)).ainvoke(SUM, context=context)
    assert state["messages"][-1].text == "2 + 3 = 5"
    assert [request["model"] for request in server.requests] == ["first"] * 3 + ["second"] + ["first"]


@pytest.mark.fault("model.hangs")
@pytest.mark.fault(23)
async def test_a_model_that_hangs_ends_in_a_plain_answer_when_the_time_is_used_up(server: ModelServer) -> None:
    server.fail_next("hang")
    state = await build(models_of(server)).ainvoke(SUM, context={"max_seconds": 0.3})
    assert state["messages"][-1].text == "I stopped here: the budget of 0.3 seconds is used up."


@pytest.mark.fault(25)
async def test_a_tool_that_hangs_ends_with_the_time_of_the_run(models: ChatModels) -> None:
    @tool
    async def hang(expression: str) -> str:
        """Never return."""
        return str(await asyncio.Event().wait()) + expression

    state = await build(models, Toolkit([hang])).ainvoke(SUM, context={"max_seconds": 3})
    assert results(state) == [("error", "stopped: the budget of 3 seconds is used up")]
    assert state["messages"][-1].text == "I stopped here: the budget of 3 seconds is used up."


@pytest.mark.fault("react.malformed_arguments")
@pytest.mark.fault(24)
async def test_arguments_that_are_no_json_go_back_to_the_model_and_the_loop_goes_on(server: ModelServer) -> None:
    server.brain = persistent
    server.fail_next("bad_arguments")
    state = await build(models_of(server)).ainvoke(SUM)
    (first, complaint), second = results(state)
    assert first == "error"
    assert "no valid JSON" in complaint
    assert second == ("success", "5")
    sent_back = server.requests[1]["messages"][-2]["tool_calls"][0]["function"]["arguments"]
    assert sent_back == "{}"


def persistent(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
    """The offline model, but one that tries again after an error."""
    tried = [message for message in messages if isinstance(message, ToolMessage) and message.status != "error"]
    question = [message for message in messages if isinstance(message, HumanMessage)]
    failed = [message for message in messages if isinstance(message, ToolMessage) and "no valid JSON" in message.text]
    return reply([*question, *[message for message in tried if message not in failed]], tools, schema)


@tool
def leaky(expression: str) -> str:
    """Fail with a secret in the error."""
    raise RuntimeError(f"cannot reach postgres://admin:hunter2@db for {expression}")


@tool
def refusing(expression: str) -> str:
    """Refuse politely."""
    raise ToolException(f"{expression} is not allowed")


@pytest.mark.fault("react.tool_raises")
@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("broken", "says"),
    [(leaky, "the tool failed with RuntimeError"), (refusing, "2 + 3 is not allowed")],
)
async def test_a_tool_that_raises_becomes_an_error_result_without_secrets(
    models: ChatModels, broken: Any, says: str
) -> None:
    state = await build(models, Toolkit([broken])).ainvoke(SUM)
    assert results(state) == [("error", says)]


@pytest.mark.fault("react.wrong_call")
async def test_wrong_arguments_and_unknown_tools_are_named_to_the_model(server: ModelServer) -> None:
    def brain(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
        if any(isinstance(message, ToolMessage) for message in messages):
            return AIMessage("done")
        wrong = [{"name": "calculator", "args": {"expr": "1"}, "id": "a"}, {"name": "nosuch", "args": {}, "id": "b"}]
        return AIMessage("", tool_calls=wrong)

    server.brain = brain
    state = await build(models_of(server)).ainvoke(SUM)
    assert [status for status, _ in results(state)] == ["error", "error"]
    assert "expression: Field required" in results(state)[0][1]
    assert "there is no tool 'nosuch'; there are: calculator" in results(state)[1][1]


async def test_tool_calls_of_one_answer_run_side_by_side(models: ChatModels) -> None:
    meeting = asyncio.Barrier(2)

    @tool
    async def meet(expression: str) -> str:
        """Return only once another call has come as well."""
        await asyncio.wait_for(meeting.wait(), 5)
        return expression

    def brain(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
        if any(isinstance(message, ToolMessage) for message in messages):
            return AIMessage("both met")
        calls = [{"name": "meet", "args": {"expression": name}, "id": name} for name in ("left", "right")]
        return AIMessage("", tool_calls=calls)

    with model_server(brain) as both:
        state = await build(models_of(both), Toolkit([meet])).ainvoke(SUM)
    assert results(state) == [("success", "left"), ("success", "right")]


@pytest.mark.fault("react.tool_limit")
async def test_tool_calls_beyond_the_budget_are_refused_and_the_model_answers_without_them(models: ChatModels) -> None:
    state = await build(models).ainvoke(SUM, context={"max_tool_calls": 0})
    assert results(state) == [("error", "the budget of tool calls is used up; answer without it")]
    assert state["spent"]["tool_calls"] == 0


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ({"max_run_tokens": 10}, "10 tokens"),
        ({"max_dollars": 0.00001, "input_price": 1, "output_price": 1}, "1e-05 dollars"),
    ],
)
async def test_a_run_stops_plainly_when_its_tokens_or_dollars_are_used_up(
    models: ChatModels, context: dict[str, Any], reason: str
) -> None:
    state = await build(models).ainvoke(SUM, context=context)
    assert f"budget of {reason} is used up" in state["messages"][-1].text


@pytest.mark.fault("model.no_usage")
@pytest.mark.parametrize("stream_mode", ["values", "messages"])
async def test_budgets_hold_by_estimate_when_a_server_reports_no_usage(server: ModelServer, stream_mode: Any) -> None:
    server.reports_usage = False
    graph, context = build(models_of(server)).copy({"checkpointer": InMemorySaver()}), {"max_run_tokens": 50}
    async for _ in graph.astream(SUM, HERE, context=context, stream_mode=stream_mode):
        pass
    state = (await graph.aget_state(HERE)).values
    assert state["spent"]["input_tokens"] > 50
    assert "budget of 50 tokens is used up" in state["messages"][-1].text


@pytest.mark.fault("react.step_limit")
async def test_a_low_recursion_limit_ends_in_an_answer_too(models: ChatModels) -> None:
    question = asked("add 1 and 2, then multiply the result by 7, then multiply the result by 3")
    state = await build(models).ainvoke(question, {"recursion_limit": 8})
    assert "budget of steps is used up" in state["messages"][-1].text


@pytest.mark.fault("react.lost_result")
async def test_a_thread_with_an_unanswered_call_is_repaired_and_goes_on(server: ModelServer) -> None:
    graph = build(models_of(server)).copy({"checkpointer": InMemorySaver()})
    call = {"name": "calculator", "args": {"expression": "1+1"}, "id": "lost"}
    await graph.aupdate_state(HERE, {"messages": [HumanMessage("hi"), AIMessage("", tool_calls=[call])]}, "begin")
    state = await graph.ainvoke(SUM, HERE)
    assert state["messages"][-1].text == "2 + 3 = 5"
    roles = [message["role"] for message in server.requests[0]["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "user"]
    assert [m.tool_call_id for m in state["messages"] if isinstance(m, ToolMessage)] != ["lost"]


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        ("approve", ("success", "5")),
        ({"decisions": [{"type": "approve"}]}, ("success", "5")),
        (
            {"decisions": [{"type": "edit", "edited_action": {"name": "calculator", "args": {"expression": "2 * 3"}}}]},
            ("success", "6"),
        ),
        (
            {"decisions": [{"type": "reject", "message": "too risky"}]},
            ("error", "The user rejected this call. too risky"),
        ),
        ({"decisions": []}, ("error", "The user rejected this call. The decision was not understood.")),
        (True, ("error", "The user rejected this call. The decision was not understood.")),
    ],
)
async def test_a_guarded_tool_runs_only_as_a_person_decides(
    models: ChatModels, decision: Any, expected: tuple[str, str]
) -> None:
    graph = build(models).copy({"checkpointer": InMemorySaver()})
    context = {"approve_tools": ["calculator"]}
    waiting = await graph.ainvoke(SUM, HERE, context=context)
    (request,) = (interrupt.value for interrupt in waiting["__interrupt__"])
    assert [(one["name"], one["args"]) for one in request["action_requests"]] == [
        ("calculator", {"expression": "2 + 3"})
    ]
    assert results(waiting) == []
    state = await graph.ainvoke(Command(resume=decision), HERE, context=context)
    assert results(state) == [expected]


async def test_the_answer_comes_as_an_object_of_the_schema_asked_for(models: ChatModels) -> None:
    schema = {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]}
    state = await build(models).ainvoke(SUM, context={"response_schema": schema})
    assert state["structured_response"] == {"value": 5}
    assert state["messages"][-1].text == "2 + 3 = 5"


async def test_the_object_is_asked_for_with_less_history_when_the_prompt_is_too_long(server: ModelServer) -> None:
    schema = {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]}
    server.fail_next(None, None, "context_overflow")
    state = await build(models_of(server)).ainvoke(SUM, context={"response_schema": schema})
    assert state["structured_response"] == {"value": 5}


@pytest.mark.fault("react.object")
async def test_an_object_the_model_cannot_give_is_none_and_never_made_up(models: ChatModels) -> None:
    schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
    state = await build(models).ainvoke(SUM, context={"response_schema": schema})
    assert state["structured_response"] is None


@pytest.mark.fault("model.surrogate")
@pytest.mark.parametrize(
    "content", ["what is 2 + 3 \ud83d?", [{"type": "text", "text": "what is 2 + 3 \ud83d?"}], ["what is 2 + 3 \ud83d?"]]
)
async def test_a_lone_surrogate_in_a_message_does_not_break_the_request(server: ModelServer, content: Any) -> None:
    question = {"messages": [HumanMessage(content)]}
    state = await build(models_of(server), Toolkit([calculator])).ainvoke(question)
    assert results(state) == [("success", "5")]


@pytest.mark.fault("model.surrogate")
async def test_a_lone_surrogate_that_a_model_or_a_tool_brings_does_not_break_the_thread(server: ModelServer) -> None:
    def brain(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
        results = [message.text for message in messages if isinstance(message, ToolMessage)]
        call = {"name": "echo", "args": {"blocks": ["\ud83d"]}, "id": "1"}
        return AIMessage(f"{results[0]} \ud83d" if results else "", tool_calls=[] if results else [call])

    @tool
    def echo(blocks: list[str]) -> Any:
        """Give the text back, and half a character more."""
        return [{"type": "text", "text": block} for block in [*blocks, "\ud83e"]]

    server.brain = brain
    graph = build(models_of(server), Toolkit([echo])).copy({"checkpointer": InMemorySaver()})
    for _ in range(2):
        state = await graph.ainvoke(asked("hi"), HERE)
        assert state["messages"][-1].text == "?? ?"
