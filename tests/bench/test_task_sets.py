"""The task sets of `bench/`: the patterns answer them, and whoever does not do the work fails them."""

import pytest

from bench import function_calls, multiverse_math, needle, parallel_qa, recorded_tree, relational_data, typewriter
from bench.expressions import Call, read_call
from bench.trajectories import Tally, matches


def by_name(tallies: list[Tally]) -> dict[str, Tally]:
    return {tally.name: tally for tally in tallies}


@pytest.mark.parametrize(
    ("how", "fitting"),
    [
        ("strict", ["ab"]),
        ("unordered", ["ab", "ba"]),
        ("subset", ["ab", "ba", "a", ""]),
        ("superset", ["ab", "ba", "aba"]),
    ],
)
def test_trajectories_match_as_their_names_say(how: str, fitting: list[str]) -> None:
    assert [called for called in ("ab", "ba", "a", "", "aba", "c") if matches(how, called, "ab")] == fitting


def test_a_task_is_read_as_it_was_written() -> None:
    call = Call("f", (Call("g", ('say "hi", naïve', -2.5)), 3))
    assert read_call(f"Work out: {call}") == call
    assert [one.tool for one in call.inner_first()] == ["g", "f"]
    with pytest.raises(ValueError, match="no call"):
        read_call("Work out: 3 +")


async def test_altered_maths_is_answered_from_what_the_tools_gave() -> None:
    tallies = by_name(await multiverse_math.measure())
    assert {name: tally.correct for name, tally in tallies.items() if not name.startswith("control")} == {
        "react, one call at a time": 20,
        "react": 20,
        "plan_execute": 20,
    }
    assert tallies["control: ordinary maths"].correct == 0
    assert tallies["plan_execute"].model_calls == 40


async def test_words_are_typed_in_order_by_those_who_wait_and_within_the_budget_alone() -> None:
    tallies = by_name(await typewriter.measure())
    correct = {name: tally.correct for name, tally in tallies.items()}
    assert correct["react, letter by letter"] == correct["plan_execute, in a chain"] == 20
    assert 0 < correct["react, 10 model calls"] < 20
    assert correct["control: all at once"] < 5
    assert correct["control: a plan without order"] < 5


async def test_several_look_ups_lead_to_the_answer_and_a_guess_does_not() -> None:
    tallies = by_name(await relational_data.measure())
    assert tallies["react"].correct == tallies["react"].matched["strict"] == 32
    assert tallies["plan_execute"].correct == tallies["plan_execute"].matched["strict"] == 32
    assert tallies["control: guessed ids"].correct == 0


async def test_independent_branches_take_fewer_waves_and_a_plan_fewer_model_calls() -> None:
    tallies = by_name(await parallel_qa.measure(0.0, most=20))
    serial, react, plan = (tallies[name] for name in ("react, one call at a time", "react", "plan_execute"))
    assert serial.correct == react.correct == plan.correct == serial.tasks
    assert react.waves <= serial.waves / 2
    assert plan.waves <= serial.waves / 2
    assert plan.model_calls == 2 * plan.tasks
    assert tallies["control: two look-ups only"].correct == 0


@pytest.mark.parametrize("category", function_calls.CATEGORIES)
async def test_calls_arrive_as_they_were_meant(category: str) -> None:
    assert await function_calls.right(category, "right", 5) == 5
    assert await function_calls.right(category, "mended", 5) == 5
    assert category == "irrelevance" or await function_calls.right(category, "control", 5) < 5


async def test_the_needle_is_found_by_those_who_summarise_all_they_drop() -> None:
    found = {memory: (await needle.remembered(memory, 40, needle.Listener())).known for memory in ("summary", "buffer")}
    assert found == {"summary": needle.FACTS, "buffer": 0}
    assert (await needle.remembered("summary", 40, needle.ForgetfulListener())).known < needle.FACTS


async def test_the_search_picks_what_was_picked_when_a_recorded_tree_is_replayed() -> None:
    tree = recorded_tree.record()
    assert await recorded_tree.replayed(tree) == tree.picks
    assert sum(len(thoughts) for thoughts in tree.proposed.values()) == 66
    assert await recorded_tree.replayed(recorded_tree.shifted(tree)) != tree.picks
