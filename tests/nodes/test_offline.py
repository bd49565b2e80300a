"""The offline model reads tools, schemas, messages and results, and never a prompt's wording."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from nodes.offline import OfflineChatModel, reply
from nodes.tools.calculator import calculator

ROOT = Path(__file__).parents[2]
ASK_ALL = """
import asyncio
from graphs.react import graph as react
from graphs.plan_execute import graph as plan
from graphs.tree_of_thought import graph as tree
async def ask(graph, text):
    state = await graph.ainvoke({"messages": [("user", text)]})
    print(state["messages"][-1].text.splitlines()[-1])
async def main():
    await ask(react, "what is 17.5% of 2,340?")
    await ask(plan, "add 12 and 30, then multiply the result by 7")
    await ask(tree, "4 9 10 13")
asyncio.run(main())
"""


def test_all_three_graphs_work_when_every_prompt_is_worded_differently(tmp_path: Path) -> None:
    for package in ("graphs", "nodes"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    wording = tmp_path / "nodes" / "prompts.py"
    names = re.findall(r"^([A-Z][A-Z0-9_]*) = ", wording.read_text(), re.MULTILINE)
    assert len(names) > 5
    wording.write_text("".join(f'{name} = "Lorem ipsum dolor sit amet."\n' for name in names))
    environ = {**os.environ, "MODEL": "offline", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ASK_ALL], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "17.5% of 2,340 = 409.5",
        "Result: 294",
        "Answer: (10 - 4) * (13 - 9) = 24",
    ]


async def test_it_calls_the_calculator_only_when_one_is_offered() -> None:
    model = OfflineChatModel()
    offered = await model.bind_tools([calculator]).ainvoke("what is 2 + 2?")
    assert [(call["name"], call["args"]) for call in offered.tool_calls] == [("calculator", {"expression": "2 + 2"})]
    alone = await model.ainvoke("what is 2 + 2?")
    assert "none was offered" in alone.text


@pytest.mark.parametrize(
    "question",
    [
        "why is the sky blue?",
        "add 2 and 3, then paint the result",
        "multiply the result by 7",
        "what happened in 1989?",
    ],
)
def test_what_it_does_not_understand_it_says_it_cannot_do(question: str) -> None:
    answer = reply(
        [HumanMessage(question)], [{"function": {"name": "c", "parameters": {"properties": {"expression": {}}}}}], None
    )
    assert not answer.tool_calls
    assert "I am the offline model" in answer.text


def test_a_failed_tool_is_reported_as_failed() -> None:
    messages = [
        HumanMessage("what is 1/0?"),
        AIMessage("", tool_calls=[{"name": "calculator", "args": {}, "id": "1"}]),
        ToolMessage("division by zero", tool_call_id="1", name="calculator", status="error"),
    ]
    assert reply(messages, [], None).text == "I could not do this: calculator said: division by zero"


async def test_the_same_question_streams_the_same_tokens_and_reports_usage_once() -> None:
    model = OfflineChatModel()
    first = [chunk async for chunk in model.astream("my name is Ada")]
    again = [chunk async for chunk in model.astream("my name is Ada")]
    assert [chunk.text for chunk in first] == [chunk.text for chunk in again]
    assert len([chunk for chunk in first if chunk.text]) == 5
    assert [chunk.usage_metadata["output_tokens"] for chunk in first if chunk.usage_metadata] == [5]
