"""What the model sees of a long thread, and what is kept of a user beyond one."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.sqlite.aio import AsyncSqliteStore

from graphs.react import build
from nodes.context import ReactContext
from nodes.memory import conversation, recent, turns
from nodes.models import ChatModels
from nodes.offline import OfflineChatModel, reply
from nodes.tokens import estimated_tokens
from nodes.tools.toolkit import Toolkit
from nodes.tools.user_memory import USER_MEMORY, namespace
from tests.graphs.asking import HERE, asked, results
from tests.graphs.conftest import models_of
from tests.model_server.server import Brain, ModelServer, model_server

SMALL = {"history_tokens": 400, "max_model_calls": 100}


def in_process(choice: Any) -> OfflineChatModel:
    return OfflineChatModel()


@pytest.mark.fault("memory.first_fact")
@pytest.mark.parametrize(("memory", "known"), [("summary", True), ("combined", True), ("buffer", False)])
async def test_a_fact_of_turn_1_is_known_in_turn_200_when_it_is_summarised(memory: str, known: bool) -> None:
    graph = build(in_process).copy({"checkpointer": InMemorySaver()})
    context = {**SMALL, "memory": memory}
    await graph.ainvoke(asked("my locker code is 4711"), HERE, context=context)
    for turn in range(2, 200):
        await graph.ainvoke(asked(f"my item {turn % 5} is number {turn}"), HERE, context=context)
    state = await graph.ainvoke(asked("what is my locker code?"), HERE, context=context)
    answer = state["messages"][-1].text
    assert ("4711" in answer) == known
    assert len(state["messages"]) == 400  # the thread keeps every message
    assert ("summary" in state) == (memory != "buffer")


@pytest.mark.fault("memory.once")
async def test_every_turn_that_is_dropped_is_shown_to_the_summariser_once(server: ModelServer) -> None:
    shown: list[str] = []

    def brain(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
        if '"messages"' in messages[-1].text:
            shown.append(messages[-1].text)
        return reply(messages, tools, schema)

    server.brain = brain
    graph = build(models_of(server)).copy({"checkpointer": InMemorySaver()})
    for turn in range(30):
        await graph.ainvoke(asked(f"my pet {turn} is called Rex{turn}"), HERE, context={**SMALL, "memory": "combined"})
    state = (await graph.aget_state(HERE)).values
    folded = state["messages"][: [m.id for m in state["messages"]].index(state["summarised_until"]) + 1]
    assert len(folded) > 20
    for message in folded:
        assert sum(f'"text": "{message.text}"' in text for text in shown) == 1


@pytest.mark.fault("memory.summariser_fails")
async def test_a_summariser_that_fails_costs_older_turns_and_the_state_says_so(server: ModelServer) -> None:
    graph = build(models_of(server)).copy({"checkpointer": InMemorySaver()})
    context = {**SMALL, "memory": "summary"}
    for turn in range(6):
        await graph.ainvoke(
            asked(f"my pet {turn} is called " + "Rex " * 50), HERE, context={**context, "memory": "buffer"}
        )
    server.fail_next(*["server_error"] * 3)
    state = await graph.ainvoke(asked("what is 2 + 3?"), HERE, context=context)
    assert state["messages"][-1].text == "2 + 3 = 5"
    assert "The summary could not be made" in state["memory_fault"]
    after = await graph.ainvoke(asked("what is 2 + 4?"), HERE, context=context)
    assert after["memory_fault"] is None
    assert "pet 0" in after["summary"]


@pytest.mark.parametrize("place", [0.0, 0.31, 0.5, 0.5003, 0.77, 1.0])
@pytest.mark.parametrize("most_words", [None, 140])
async def test_a_fact_in_a_message_longer_than_a_summary_call_can_take_is_still_known(
    server: ModelServer, place: float, most_words: int | None
) -> None:
    words = ["lorem"] * 3000
    words[int(place * 3000) : int(place * 3000)] = ["my locker code is 4711."]
    graph = build(models_of(server)).copy({"checkpointer": InMemorySaver()})
    context = {**SMALL, "max_model_calls": 400, "memory": "summary"}
    await graph.ainvoke(asked(" ".join(words)), HERE, context=context)
    server.most_words = most_words  # pieces of 400 tokens are too long for it as well
    state = await graph.ainvoke(asked("what is my locker code?"), HERE, context=context)
    assert state["memory_fault"] is None
    assert state["messages"][-1].text == "Your locker code is 4711."
    assert len(server.requests) > 8


async def test_turns_too_big_to_be_folded_within_the_budget_are_left_out_and_the_turns_before_are_kept(
    server: ModelServer,
) -> None:
    graph = build(models_of(server)).copy({"checkpointer": InMemorySaver()})
    context = {**SMALL, "max_model_calls": 12}
    for text in ("my pet is called Rex", "lorem " * 3000, "my tea is green"):
        await graph.ainvoke(asked(text), HERE, context=context)
    before = len(server.requests)
    state = await graph.ainvoke(asked("what is my pet?"), HERE, context={**context, "memory": "summary"})
    assert state["messages"][-1].text == "Your pet is called Rex."
    assert "it takes more model calls than the run can spare" in state["memory_fault"]
    assert len(server.requests) - before == 2  # one summary, one answer


def digging(rounds: int, words: int) -> Brain:
    """A brain that calls a tool round after round within one turn, and keeps what a summary call shows of lockers."""

    def brain(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
        if messages[-1].text.startswith('{"summary"'):
            return AIMessage("the locker code is 4711" if "4711" in messages[-1].text else "nothing")
        done = sum(isinstance(message, ToolMessage) for message in messages)
        if ("dig" not in messages[-1].text and not done) or done == rounds:
            return AIMessage("4711 is known" if any("4711" in message.text for message in messages) else "not known")
        return AIMessage("", tool_calls=[{"name": "dig", "args": {"words": words}, "id": f"dig{done}"}])

    return brain


@tool
def dig(words: int) -> str:
    """Bring up so many words."""
    return "lorem " * words


@pytest.mark.fault("memory.growing_turn")
@pytest.mark.parametrize("memory", ["summary", "combined"])
async def test_turns_that_a_long_tool_loop_pushes_out_are_folded_at_once(server: ModelServer, memory: str) -> None:
    server.brain = digging(rounds=6, words=100)
    graph = build(models_of(server), Toolkit([dig])).copy({"checkpointer": InMemorySaver()})
    context = {**SMALL, "memory": memory}
    await graph.ainvoke(asked("my locker code is 4711"), HERE, context=context)
    state = await graph.ainvoke(asked("dig six times"), HERE, context=context)
    assert state["messages"][-1].text == "4711 is known"
    assert "4711" in state["summary"]
    assert state["spent"]["model_calls"] == 8  # seven of the loop, one summary
    last = server.requests[-1]["messages"]
    assert [message["role"] for message in last[:2]] == ["system", "user"]
    assert sum(message["role"] == "tool" for message in last) == 6


async def test_a_run_that_is_at_the_end_of_its_budget_makes_no_more_summaries(server: ModelServer) -> None:
    server.brain = digging(rounds=6, words=1000)
    graph = build(models_of(server), Toolkit([dig])).copy({"checkpointer": InMemorySaver()})
    context = {**SMALL, "memory": "summary", "max_model_calls": 1}
    await graph.ainvoke(asked("my locker code is 4711"), HERE, context=context)
    state = await graph.ainvoke(asked("dig six times"), HERE, context=context)
    assert "the budget of 1 model calls is used up" in state["messages"][-1].text
    assert state["memory_fault"] is None


async def test_a_summary_that_fails_in_a_tool_loop_is_not_tried_again_in_that_run(server: ModelServer) -> None:
    server.brain = digging(rounds=6, words=100)
    graph = build(models_of(server), Toolkit([dig])).copy({"checkpointer": InMemorySaver()})
    context = {**SMALL, "memory": "summary"}

    async def dug(thread: str, faults: Sequence[Any]) -> tuple[dict[str, Any], list[bool]]:
        """The state after two turns, and which requests of the second were for a summary."""
        place = {"configurable": {"thread_id": thread}}
        await graph.ainvoke(asked("my locker code is 4711"), place, context=context)
        before = len(server.requests)
        server.fail_next(*faults)
        state = await graph.ainvoke(asked("dig six times"), place, context=context)
        sent = [request["messages"][-1]["content"] or "" for request in server.requests[before:]]
        return state, [text.startswith('{"summary"') for text in sent]

    _, healthy = await dug("healthy", [])
    assert healthy.count(True) == 1
    at = healthy.index(True)
    assert 0 < at < 6  # in the middle of the loop
    state, requests = await dug("failing", [None] * at + ["server_error"] * 3)
    assert requests.count(True) == 3  # the SDK's own tries
    assert "status 500" in state["memory_fault"]
    assert state["messages"][-1].text == "not known"
    assert results(state) == [("success", "lorem " * 100)] * 6


async def test_no_turn_is_both_left_out_of_the_prompt_and_not_yet_in_the_summary(server: ModelServer) -> None:
    graph = build(models_of(server)).copy({"checkpointer": InMemorySaver()})
    context = {**SMALL, "memory": "combined", "keep_turns": 6}
    for turn in range(6):
        told = f"my pet {turn} is called Rex{turn}. " + "lorem " * 150
        state = await graph.ainvoke(asked(told), HERE, context=context)
        seen = " ".join(str(message["content"]) for message in server.requests[-1]["messages"])
        assert [f"Rex{earlier}" in seen for earlier in range(turn + 1)] == [True] * (turn + 1)
    assert "summary" in state


@pytest.mark.fault("model.too_long")
async def test_a_prompt_the_provider_finds_too_long_is_sent_again_with_less_history(server: ModelServer) -> None:
    graph = build(models_of(server)).copy({"checkpointer": InMemorySaver()})
    for turn in range(8):
        await graph.ainvoke(asked(f"my pet {turn} is called Rex"), HERE)
    before = len(server.requests)
    server.fail_next("context_overflow", "context_overflow")
    state = await graph.ainvoke(asked("what is my pet 7?"), HERE, context={"history_tokens": 250})
    lengths = [len(request["messages"]) for request in server.requests[before:]]
    assert lengths == sorted(lengths, reverse=True)
    assert len(set(lengths)) == 3
    assert state["messages"][-1].text == "Your pet 7 is called Rex."


def tool_turn(number: int, calls: int = 2, size: int = 10) -> list[BaseMessage]:
    made = [{"name": "calculator", "args": {}, "id": f"{number}.{call}"} for call in range(calls)]
    results = [ToolMessage("x" * size, tool_call_id=call["id"]) for call in made]
    return [HumanMessage(f"question {number}"), AIMessage("", tool_calls=made), *results, AIMessage("so it is")]


@pytest.mark.fault("memory.parted")
@pytest.mark.parametrize("room", [0, 1, 50, 100, 150, 200, 300, 1000])
def test_a_cut_never_parts_a_tool_result_from_its_call(room: int) -> None:
    messages = [message for number in range(6) for message in tool_turn(number)]
    kept = recent({"messages": messages}, room)
    assert isinstance(kept[0], HumanMessage)
    assert kept == messages[len(messages) - len(kept) :]
    assert len(turns(kept)) * 5 == len(kept)


@pytest.mark.fault("memory.long_turn")
def test_when_even_the_last_turn_is_too_long_its_results_are_cut_and_stay_with_their_calls() -> None:
    kept = recent({"messages": [*tool_turn(1), *tool_turn(2, size=9000)]}, 0)
    assert [message.type for message in kept] == ["human", "ai", "tool", "tool", "ai"]
    assert all(len(message.text) < 2100 for message in kept)


@pytest.mark.fault("memory.counted")
def test_tokens_of_other_scripts_are_not_undercounted_and_reported_usage_corrects_the_estimate() -> None:
    assert estimated_tokens([HumanMessage("語" * 400)]) >= 400
    state = {"messages": [message for number in range(20) for message in tool_turn(number)]}
    context = ReactContext(history_tokens=600)
    plain = conversation(state, context, "p")
    scaled = conversation({**state, "token_scale": 4.0}, context, "p")
    assert len(scaled) < len(plain) / 2


async def test_reported_usage_is_kept_as_a_scale(models: ChatModels) -> None:
    state = await build(models).ainvoke(asked("what is 2 + 3?"))
    assert state["token_scale"] > 0.25


USERS = ["ada", "a.b@example.org", "a%2Eb@example.org", "语 🦊", "a/b", ".", "..", " ", "\ud83d"]


@pytest.mark.fault("memory.users")
def test_no_two_users_share_a_namespace_and_every_label_is_allowed() -> None:
    places = [namespace(user, "preferences") for user in USERS]
    assert len(set(places)) == len(USERS)
    assert all("." not in label and label for place in places for label in place)


@pytest.mark.fault("memory.users")
@pytest.mark.parametrize("user", ["ada", "a.b@example.org", "语 🦊"])
async def test_a_preference_is_known_in_another_thread_of_the_same_user_alone(
    models: ChatModels, tmp_path: Path, user: str
) -> None:
    async with AsyncSqliteStore.from_conn_string(str(tmp_path / "store.db")) as store:
        await store.setup()
        graph = build(models).copy({"store": store})

        async def ask(who: str, text: str, **context: Any) -> dict[str, Any]:
            return await graph.ainvoke(asked(text), {"configurable": {"user_id": who}}, context=context)

        told = await ask(user, "remember that my tea is green")
        assert results(told) == [("success", "Remembered: tea = green")]
        assert (await ask(user, "what is my tea?"))["messages"][-1].text == "Your tea is green."
        assert "have not told me" in (await ask("someone else", "what is my tea?"))["messages"][-1].text
        off = await ask(user, "what is my tea?", long_term_memory=False)
        assert "have not told me" in off["messages"][-1].text
        refused = await ask(user, "remember that my tea is black", long_term_memory=False)
        assert results(refused) == []
        await ask(user, "forget my tea")
        assert "have not told me" in (await ask(user, "what is my tea?"))["messages"][-1].text


async def test_a_user_who_switches_memory_off_is_neither_read_nor_written_and_can_still_forget(tmp_path: Path) -> None:
    kit = Toolkit([], USER_MEMORY)

    def brain(messages: Sequence[BaseMessage], tools: list[dict], schema: dict | None) -> AIMessage:
        if isinstance(messages[-1], ToolMessage):
            return AIMessage(f"{messages[-1].text} | {'green' in messages[0].text}")
        name, args = json.loads(messages[-1].text)
        return AIMessage("", tool_calls=[{"name": name, "args": args, "id": "1"}])

    async with AsyncSqliteStore.from_conn_string(str(tmp_path / "store.db")) as store:
        await store.setup()
        with model_server(brain) as server:
            graph = build(models_of(server), kit).copy({"store": store})

            async def call(who: str, name: str, **args: Any) -> str:
                state = await graph.ainvoke(asked(json.dumps([name, args])), {"configurable": {"user_id": who}})
                return state["messages"][-1].text

            for who in ("ada", "bob"):
                assert await call(who, "remember", key="tea", value="green") == "Remembered: tea = green | True"
            assert await call("ada", "switch_memory", on=False) == "Memory is switched off. | False"
            refused = await call("ada", "remember", key="tea", value="black")
            assert refused == "the user has switched memory off: nothing is kept | False"
            assert await call("ada", "list_remembered") == "tea: green | False"
            assert await call("bob", "list_remembered") == "tea: green | True"
            assert await call("ada", "forget_everything") == "Forgotten: 1 items. | False"
            assert await call("ada", "switch_memory", on=True) == "Memory is switched on. | False"
            assert await call("ada", "list_remembered") == "Nothing is remembered. | False"


async def test_without_a_user_or_a_store_remembering_is_refused_plainly(models: ChatModels) -> None:
    state = await build(models).ainvoke(asked("remember that my tea is green"))
    ((status, text),) = results(state)
    assert status == "error"
    assert "no long-term memory" in text


def test_a_runs_own_instructions_stand_behind_the_prompt_in_every_call_that_sees_the_conversation() -> None:
    state: Any = {"messages": [HumanMessage("hello")]}
    [system, hello] = conversation(state, ReactContext(instructions="Speak like a pirate."), "Be careful.")
    assert (system.type, system.content) == ("system", "Be careful.\n\nSpeak like a pirate.")
    assert hello.content == "hello"
    assert conversation(state, ReactContext(), "Be careful.")[0].content == "Be careful."
