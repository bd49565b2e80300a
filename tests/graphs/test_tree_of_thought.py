import re

import pytest

from graphs.tree_of_thought import build
from nodes.models import ChatModels
from nodes.problems.game24 import Game24
from nodes.tools.calculator import calculate
from tests.graphs.asking import asked


@pytest.mark.parametrize("numbers", ["4 9 10 13", "3 3 8 8", "1 1 11 11"])
async def test_a_game_of_24_is_solved_with_its_path_and_a_verified_expression(models: ChatModels, numbers: str) -> None:
    state = await build(models).ainvoke(asked(numbers), context={"beam": 2, "samples": 1})
    *path, last = state["messages"][-1].text.splitlines()
    expression = re.fullmatch(r"Answer: (.+) = 24", last)[1]
    assert calculate(expression) == "24"
    assert sorted(re.findall(r"\d+", expression)) == sorted(numbers.split())
    assert len(path) == 3
    assert all("left: " in step for step in path)


async def test_a_game_without_a_solution_ends_and_says_so(models: ChatModels) -> None:
    state = await build(models).ainvoke(asked("1 1 1 1"), context={"beam": 2, "samples": 1})
    assert "no way to make 24 from 1 1 1 1" in state["messages"][-1].text


async def test_a_question_it_has_no_thoughts_on_is_answered_plainly(models: ChatModels) -> None:
    state = await build(models).ainvoke(asked("why is the sky blue?"))
    assert "I cannot answer this" in state["messages"][-1].text


async def test_a_run_without_any_message_is_answered_plainly(models: ChatModels) -> None:
    state = await build(models).ainvoke({"messages": []})
    assert "I cannot answer this" in state["messages"][-1].text


@pytest.mark.parametrize(
    ("message", "root"),
    [
        ("4 9 10 13", "4 9 10 13"),
        ("Solve the Game of 24: 4, 9, 10, 13.", "4 9 10 13"),
        ("Please use 4 9 10 and 13 to make 24", "4 9 10 13"),
        ("what is 17.5% of 2,340?", None),
        ("4 9 10", None),
        ("why is 4 9 10 13 a nice number", None),
        ("add 4 9 10 13", None),
    ],
)
def test_only_a_posed_game_is_read_as_one(message: str, root: str | None) -> None:
    assert Game24().read(message) == root


@pytest.mark.parametrize(
    "thought",
    [
        "10 - 4 = 5 (left: 5 9 13)",
        "10 * 10 = 100",
        "4 / 0 = 4",
        "make 6",
        "4 - 9 = 5 (left: 5 10 13)",
        "4 + 9 = 13/",
        "4 + 9 = 1//2",
        "4 + 9/0 = 1",
        "10 / 9 = 1.11 (left: 1.11 4 13)",
    ],
)
def test_a_thought_that_is_no_legal_step_is_refused(thought: str) -> None:
    assert Game24().follow("4 9 10 13", thought) is None


@pytest.mark.parametrize(
    ("state", "thought", "after"),
    [
        ("4 5 6 10", "6 / 4 = 1.5 (left: 1.5 5 10)", "3/2 5 10"),
        ("-1 6 10", "6 - (-1) = 7 (left: 7 10)", "7 10"),
        ("3/2 10", "10 - 1.5 = 8.5 (left: 8.5)", "17/2"),
    ],
)
def test_decimals_and_brackets_are_read_as_the_numbers_they_are(state: str, thought: str, after: str) -> None:
    assert Game24().follow(state, thought) == after
