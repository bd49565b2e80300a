"""The Tree of Thought search, judged by oracles on the paper's 100 test games, and its other ways to search."""

import asyncio
import json
import os
import re
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from bench.oracles import ConstantOracle, FlippedOracle, Oracle, models_of
from bench.tree_of_thought import games, play
from graphs.tree_of_thought import build
from nodes.evaluate import WORTH
from nodes.models import ChatModels
from nodes.offline import OfflineChatModel
from tests.graphs.asking import asked

# The whole hundred in `make soak`, else every fourth of them, which are as hard.
GAMES = games() if os.environ.get("SOAK") == "1" else games()[::4]


@pytest.mark.fault("search.early_stop")
@pytest.mark.timeout(600)  # many games each; it must hold on a busy machine too
@pytest.mark.parametrize(("beam", "most_prompts"), [(1, 37), (5, 74)])
async def test_exact_values_solve_every_test_game_in_few_calls_and_rounds(beam: int, most_prompts: int) -> None:
    played = [await play(Oracle(), game, beam, samples=1) for game in GAMES]
    assert len(played) in (25, 100)
    assert all(one.solved for one in played)
    assert sum(one.prompts for one in played) / len(played) <= most_prompts
    assert max(one.rounds for one in played) <= 8


@pytest.mark.fault("search.no_evaluator")
@pytest.mark.timeout(600)
async def test_a_search_that_values_everything_alike_fails() -> None:
    played = [await play(ConstantOracle(), game, 5, samples=1) for game in GAMES]
    assert sum(one.solved for one in played) / len(played) < 0.15


async def test_what_is_found_does_not_hang_on_the_order_in_which_steps_were_named() -> None:
    for game in games(3):
        found = set[str]()
        for order in range(3):
            state = await build(models_of(ConstantOracle(order=order))).ainvoke(asked(game), context={"samples": 1})
            found.add(" | ".join(sorted(one["state"] for one in state["tree"].values() if one["status"] == "expanded")))
        assert len(found) == 1


@pytest.mark.timeout(600)
async def test_a_wider_beam_makes_up_for_values_of_which_a_third_is_wrong() -> None:
    solved = {}
    for beam in (1, 5):
        played = [await play(FlippedOracle(rate=0.35, seed=1), game, beam) for game in GAMES]
        solved[beam] = sum(one.solved for one in played) / len(played)
    assert solved[5] - solved[1] >= 0.2


@pytest.mark.fault("search.many_candidates")
@pytest.mark.parametrize("settings", [{"strategy": "depth", "beam": 3}, {"evaluate": "vote"}])
async def test_other_ways_to_search_solve_games_too(settings: dict[str, Any]) -> None:
    played = [await play(VotingOracle(), game, **{"beam": 5, "samples": 1, **settings}) for game in games(5)]
    assert [one.solved for one in played] == [True] * 5


class VotingOracle(Oracle):
    """Votes for the first candidate from which 24 can be reached."""

    def answer(self, messages: Sequence[BaseMessage], tools: list[dict], schema: dict[str, Any] | None) -> AIMessage:
        if schema is None or schema["name"] != "vote":
            return super().answer(messages, tools, schema)
        for number, candidate in enumerate(messages[-1].text.split("\n\n"), start=1):
            label = super().answer(
                [messages[0], type(messages[-1])(candidate)], [], {"name": "value", "schema": LABELS}
            )
            if "sure" in label.text:
                return AIMessage(json.dumps({"best": number}))
        return AIMessage('{"best": 1}')


LABELS = {"properties": {"label": {}}}


async def test_depth_first_goes_deep_at_once_and_stops_at_its_limit_of_states() -> None:
    context = {"strategy": "depth", "max_states": 4, "samples": 1, "beam": 2}
    state = await build(models_of(ConstantOracle())).ainvoke(asked("4 5 6 10"), context=context)
    expanded = [one["depth"] for one in state["tree"].values() if one["status"] == "expanded"]
    assert len(expanded) <= 4
    assert {0, 1, 2} <= set(expanded)


@pytest.mark.fault("search.duplicates")
async def test_equal_states_are_valued_once_and_marked_as_duplicates() -> None:
    state = await build(models_of(Oracle())).ainvoke(asked("4 4 10 10"), context={"samples": 1})
    by_status: dict[str, list[str]] = {}
    for one in state["tree"].values():
        by_status.setdefault(one["status"], []).append(one["state"])
    valued = by_status["expanded"] + by_status.get("dropped", [])
    assert len(valued) == len(set(valued))
    assert by_status["duplicate"]
    assert len(by_status["solved"]) >= 1


async def test_the_tree_streams_while_it_grows_and_its_worst_case_is_told_first() -> None:
    events = [event async for event in build(models_of(Oracle())).astream(asked("4 9 10 13"), stream_mode="custom")]
    assert events[0]["type"] == "worst_case"
    assert [event["type"] for event in events[1:]] == ["thoughts"] * (len(events) - 1)
    statuses = {thought["status"] for event in events[1:] for thought in event["thoughts"]}
    assert statuses >= {"proposed", "expanded", "kept", "duplicate", "solved"}


@pytest.mark.fault("search.over_budget")
async def test_a_search_whose_worst_case_is_over_the_budget_does_not_start() -> None:
    oracle = Oracle()
    state = await build(models_of(oracle)).ainvoke(asked("4 9 10 13"), context={"max_model_calls": 100})
    assert oracle.calls == 0
    assert "may take up to 1463 model calls, and the budget is 100" in state["messages"][-1].text


PRICES = {"input_price": 1, "output_price": 4}


@pytest.mark.fault("search.over_budget")
@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"max_run_tokens": 100_000}, r"may take up to \d{6,} tokens, and the budget is 100000\. Allow more tokens"),
        ({"max_dollars": 0.5, **PRICES}, r"may take up to [\d.]+ dollars, and the budget is 0\.5\. Allow more dollars"),
    ],
)
async def test_a_search_that_may_take_more_tokens_or_dollars_than_the_run_has_does_not_start(
    context: dict[str, Any], says: str
) -> None:
    oracle = Oracle()
    graph, question = build(models_of(oracle)), asked("4 9 10 13")
    refused = await graph.ainvoke(question, context={"max_tokens": 500, **context})
    assert oracle.calls == 0
    assert re.search(says, refused["messages"][-1].text)
    enough = {"max_run_tokens": refused["worst_tokens"], **PRICES, "max_dollars": 100}
    solved = await graph.ainvoke(question, context={"max_tokens": 500, **enough})
    assert "= 24" in solved["messages"][-1].text


async def test_what_a_search_may_cost_is_unknown_without_a_longest_answer_or_without_prices() -> None:
    graph = build(models_of(Oracle()))
    for context, known in [
        ({}, (False, False)),
        (PRICES, (False, False)),
        ({"max_tokens": 500}, (True, False)),
        ({"max_tokens": 500, **PRICES}, (True, True)),
    ]:
        events = graph.astream(asked("4 9 10 13"), context=context, stream_mode="custom")
        told = await anext(events)
        await events.aclose()
        assert (told["tokens"] is not None, told["dollars"] is not None) == known


class Clumsy(ConstantOracle):
    """Gives every answer only when told what was wrong with another."""

    def answer(self, messages: Sequence[BaseMessage], tools: list[dict], schema: dict[str, Any] | None) -> AIMessage:
        if schema and len(messages) == 2:
            self.calls += 1
            return AIMessage('{"label": "I cannot say", "thoughts": [1, 2, 3, 4, 5, 6], "best": "none"}')
        return super().answer(messages[:2] if schema else messages, tools, schema)


@pytest.mark.parametrize("oracle", [ConstantOracle, Clumsy])
@pytest.mark.parametrize(
    "context",
    [
        {"beam": 1},
        {"beam": 5},
        {"beam": 2, "evaluate": "vote"},
        {"strategy": "depth", "max_states": 9},
        {"beam": 2, "generate": "sample"},
    ],
)
async def test_no_search_takes_more_than_its_worst_case(context: dict[str, Any], oracle: type[ConstantOracle]) -> None:
    model, settings = oracle(), {"max_tokens": 500, "max_model_calls": 5000, **PRICES}
    state = await build(models_of(model)).ainvoke(asked("1 1 1 2"), context={**context, **settings})
    spent = state["spent"]
    assert model.calls == spent["model_calls"] <= state["worst_case"]
    assert 0 < spent["input_tokens"] + spent["output_tokens"] <= state["worst_tokens"]
    assert 0 < spent["dollars"] <= state["worst_dollars"]


async def test_a_thought_longer_than_any_needs_to_be_is_cut_before_it_stands_in_every_prompt_after_it() -> None:
    class Verbose(Storyteller):
        def answer(self, messages: Sequence[BaseMessage], tools: list[dict], schema: Any) -> AIMessage:
            if schema and schema["name"] == "thoughts":
                return AIMessage(json.dumps({"thoughts": ["on and on " * 2000]}))
            return super().answer(messages, tools, schema)

    context = {"depth": 2, "beam": 1, "samples": 1, "max_tokens": 6000}
    state = await build(lambda choice: Verbose()).ainvoke(asked("Why do we dream?"), context=context)
    assert max(len(one["text"]) for one in state["tree"].values()) == 2000
    assert state["spent"]["input_tokens"] + state["spent"]["output_tokens"] <= state["worst_tokens"]


class Storyteller(OfflineChatModel):
    """A model for words: proposes, and likes what is longer."""

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("response_format") and self.token_delay:
            await asyncio.sleep(self.token_delay)
        return await super()._agenerate(*args, **kwargs)

    def answer(self, messages: Sequence[BaseMessage], tools: list[dict], schema: dict[str, Any] | None) -> AIMessage:
        text = messages[-1].text
        if schema is None:
            return AIMessage(f"From {json.loads(text)['thoughts']}" if text.startswith("{") else "nothing to go on")
        if schema["name"] == "thoughts":
            depth = len(json.loads(text)["thoughts"])
            return AIMessage(
                json.dumps({"thoughts": [f"short {depth}", f"a longer thought {depth}", f"Short  {depth}"]})
            )
        return AIMessage(
            json.dumps({"label": "sure" if "longer" in json.loads(text)["thoughts"][-1] else "impossible"})
        )


def storytellers(delay: float = 0.0) -> ChatModels:
    return lambda choice: Storyteller(token_delay=delay)


@pytest.mark.fault("search.path")
@pytest.mark.parametrize("generate", ["propose", "sample"])
async def test_free_text_is_thought_through_and_answered_from_the_best_path(generate: str) -> None:
    context = {"depth": 2, "beam": 1, "samples": 1, "generate": generate}
    state = await build(storytellers()).ainvoke(asked("Why do we dream?"), context=context)
    if generate == "propose":
        assert state["messages"][-1].text == "From ['a longer thought 0', 'a longer thought 1']"
        assert max(one["value"] for one in state["tree"].values()) == WORTH["sure"]
    else:  # every sample is the same first thought, so one is kept and the others are duplicates
        assert state["messages"][-1].text == "From ['short 0', 'short 1']"
        assert [one["status"] for one in state["tree"].values()].count("duplicate") == 8


async def test_a_follow_up_is_thought_through_with_what_was_said_before() -> None:
    told: list[str] = []

    class Listener(Storyteller):
        def answer(self, messages: Sequence[BaseMessage], tools: list[dict], schema: Any) -> AIMessage:
            told.append(messages[0].text if schema else "")
            return super().answer(messages, tools, schema)

    said = [("user", "I dream of trains."), ("ai", "How fast are they?"), ("user", "Why?")]
    await build(lambda choice: Listener()).ainvoke({"messages": said}, context={"depth": 1, "samples": 1})
    asked_of_states = [text for text in told if text]
    assert len(asked_of_states) == 3
    assert all("human: I dream of trains.\nai: How fast are they?" in text for text in asked_of_states)


async def test_only_the_answer_reaches_the_stream_of_messages() -> None:
    context = {"depth": 2, "beam": 1, "samples": 1}
    chunks = build(storytellers()).astream(asked("Why do we dream?"), context=context, stream_mode="messages")
    tokens = [message.text async for message, _ in chunks]
    assert "".join(tokens) == "From ['a longer thought 0', 'a longer thought 1']"
    assert len(tokens) > 5


@pytest.mark.fault("search.out_of_time")
async def test_a_search_out_of_time_answers_with_the_best_so_far() -> None:
    context = {"depth": 3, "beam": 2, "samples": 1, "max_seconds": 0.5}
    state = await build(storytellers(delay=0.2)).ainvoke(asked("Why do we dream?"), context=context)
    assert "the budget of 0.5 seconds is used up. The best so far:" in state["messages"][-1].text
