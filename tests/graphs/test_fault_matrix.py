"""What stock agents get wrong when a model, a tool or a person does the unexpected, case by case, over real HTTP.

Cases that need more than a table are tests of their own, beside what they are about; all name rows of the second table
of docs/faults.md.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from graphs.plan_execute import build as plan_execute
from graphs.react import build as react
from graphs.tree_of_thought import build as tree_of_thought
from nodes.model_call import ModelCallError
from nodes.models import chat_model
from nodes.offline import reply
from tests.graphs.asking import HERE, asked, results
from tests.graphs.conftest import models_of
from tests.model_server.server import Brain, ModelServer

SUM = "what is 2 + 3?"
Requests = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """What is asked of which graph while what goes wrong, and what must come of it.

    `answer` is part of the last message; `error` is how the run fails instead; `holds` sees the state and the requests.
    """

    graph: Callable[..., Any] = react
    question: str = SUM
    faults: Sequence[Any] = ()
    brain: Brain = reply
    context: dict[str, Any] = field(default_factory=dict)
    answer: str = "2 + 3 = 5"
    error: type[Exception] | None = None
    requests: int | None = None
    holds: Callable[[dict[str, Any], Requests], bool] = lambda state, requests: True


def case(row: str, name: str = "", **case: Any) -> Any:
    return pytest.param(Case(**case), marks=pytest.mark.fault(row), id=f"{row} {name}".strip())


def calling(*expressions: str, again: bool = False) -> Brain:
    """A brain that calls the calculator for all of these at once; `again`: whatever it is told, and without end."""

    def brain(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
        if isinstance(messages[-1], ToolMessage) and not again:
            return AIMessage("seen: " + ", ".join(message.text for message in messages[-len(expressions) :]))
        number = len(messages)
        calls = [{"name": "calculator", "args": {"expression": one}, "id": f"{number}.{one}"} for one in expressions]
        return AIMessage("", tool_calls=calls)

    return brain


def rambling(schema_name: str) -> Brain:
    """The offline model, but one that answers a schema of this name in prose."""

    def brain(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
        if schema and schema["name"] == schema_name:
            return AIMessage("I would rather not say {that} in JSON.")
        return reply(messages, tools, schema)

    return brain


CASES = [
    case(
        "react.endless_loop",
        brain=calling("1 + 1", again=True),
        context={"max_model_calls": 4},
        answer="the budget of 4 model calls is used up",
        requests=4,
    ),
    case(
        "react.siblings",
        brain=calling("1/0", "2 + 3"),
        answer="seen: ",
        requests=2,
        holds=lambda state, requests: [status for status, _ in results(state)] == ["error", "success"],
    ),
    *(
        case("model.refused", fault, faults=[fault], error=openai.APIStatusError, requests=1)
        for fault in ("bad_request", "unauthorised", "unknown_model")
    ),
    *(case("model.unreadable", fault, faults=[fault], requests=3) for fault in ("bad_json", "page", "no_choices")),
    *(
        case("model.unreadable", f"{fault} for ever", faults=[fault] * 9, error=ModelCallError, requests=2)
        for fault in ("bad_json", "page", "no_choices")
    ),
    *(
        case(
            "model.too_long",
            fault,
            faults=[None, fault],
            requests=3,
            holds=lambda state, requests: results(state) == [("success", "5")],
        )
        for fault in ("context_overflow", "context_overflow_vllm", "context_overflow_llamacpp")
    ),
    case(
        "model.max_tokens",
        context={"max_tokens": 77},
        holds=lambda state, requests: all(
            request["max_tokens"] == 77 and "max_completion_tokens" not in request for request in requests
        ),
    ),
    *(
        case(
            "model.forced_choice",
            graph.__module__,
            graph=graph,
            question=question,
            context={"response_schema": {"type": "object"}} if graph is not tree_of_thought else {"samples": 1},
            answer=answer,
            holds=lambda state, requests: not any({"tool_choice", "n"} & request.keys() for request in requests),
        )
        for graph, question, answer in (
            (react, SUM, "2 + 3 = 5"),
            (plan_execute, "add 12 and 30, then multiply the result by 7", "294"),
            (tree_of_thought, "1 2 3 4", "= 24"),
        )
    ),
    case(
        "search.unusable",
        "thoughts",
        graph=tree_of_thought,
        question="4 9 10 13",
        brain=rambling("thoughts"),
        answer="no way to make 24 from 4 9 10 13; this is as far as the search came",
        requests=2,
    ),
    case(
        "search.unusable",
        "values",
        graph=tree_of_thought,
        question="1 1 1 1",
        brain=rambling("value"),
        context={"beam": 1, "samples": 1},
        answer="no way to make 24 from 1 1 1 1",
        holds=lambda state, requests: {thought["value"] for thought in state["tree"].values()} == {0.0},
    ),
]


@pytest.mark.parametrize("stream_mode", [["values"], ["values", "messages"]], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", CASES)
async def test_what_goes_wrong_ends_as_the_catalogue_says(
    server: ModelServer, case: Case, stream_mode: list[Any]
) -> None:
    server.brain = case.brain
    server.fail_next(*case.faults)
    state: dict[str, Any] = {}
    failed: Exception | None = None
    try:
        chunks = case.graph(models_of_choice(server)).astream(
            asked(case.question), context=case.context, stream_mode=stream_mode
        )
        async for mode, part in chunks:  # asking for messages makes the model stream
            state = part if mode == "values" else state
    except (ModelCallError, openai.APIStatusError) as error:
        failed = error
    assert isinstance(failed, case.error or type(None))
    assert case.error or case.answer in state["messages"][-1].text
    assert case.requests in (None, len(server.requests))
    assert case.holds(state, server.requests)


def models_of_choice(server: ModelServer) -> Any:
    """Models that ask `server` by the choices of the run."""
    environ = {"MODEL": "openai:tested", "OPENAI_BASE_URL": server.base_url, "MODEL_TIMEOUT": "10"}
    return lambda choice: chat_model(choice, environ)


@pytest.mark.fault("model.other_route")
async def test_no_models_name_makes_a_foreign_server_be_asked_by_another_route(server: ModelServer) -> None:
    for name in ("gpt-6-mini", "gpt-5-pro", "codex-mini"):
        environ = {"MODEL": f"openai:{name}", "OPENAI_BASE_URL": server.base_url}
        state = await react(lambda choice, environ=environ: chat_model(choice, environ)).ainvoke(asked(SUM))
        assert state["messages"][-1].text == "2 + 3 = 5"
    assert len(server.requests) == 6  # the server counts those to /chat/completions, and knows no other route


@pytest.mark.fault("plan.approval")
async def test_what_came_before_the_question_to_a_person_is_not_done_again_after_the_answer(
    server: ModelServer,
) -> None:
    graph = plan_execute(models_of(server)).copy({"checkpointer": InMemorySaver()})
    context = {"approve_plan": True}
    await graph.ainvoke(asked("add 12 and 30"), HERE, context=context)
    await graph.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), HERE, context=context)
    planned = [request for request in server.requests if "response_format" in request]
    assert len(planned) == 1


@pytest.mark.fault("memory.shown")
async def test_a_summary_is_told_to_the_model_as_the_systems_word_and_never_shown_to_the_user(
    server: ModelServer,
) -> None:
    def brain(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
        summarising = messages[-1].text.startswith('{"summary"')
        return AIMessage("THE SUMMARY" if summarising else "an answer")

    server.brain = brain
    graph = react(models_of(server)).copy({"checkpointer": InMemorySaver()})
    context, shown = {"memory": "summary", "history_tokens": 200}, ""
    for _ in range(3):
        said = asked("lorem ipsum " * 40)
        async for message, _ in graph.astream(said, HERE, context=context, stream_mode="messages"):
            shown += message.text if isinstance(message, AIMessage) else ""
    assert shown == "an answer" * 3
    state = (await graph.aget_state(HERE)).values
    assert "THE SUMMARY" not in json.dumps([message.text for message in state["messages"]])
    told = server.requests[-1]["messages"]
    assert "THE SUMMARY" in told[0]["content"]
    assert [message["role"] for message in told] == ["system", "user"]
    assert len(state["messages"]) == 6
