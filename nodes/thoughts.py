"""The search tree and what can be read from it. No model is asked here."""

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from typing_extensions import TypedDict

from nodes.context import SearchContext
from nodes.problems.problem import Problem
from nodes.state import SearchState, Spent, Thought

Tree = dict[str, Thought]
ROOT = "0"


class SearchTask(TypedDict):
    """What is sent to one task of a level: the states it is about, each with the path that led there."""

    problem: str
    root: str
    before: str
    thoughts: list[Thought]
    paths: list[list[str]]
    spent: Spent


def path_to(tree: Tree, thought: Thought) -> list[str]:
    """The thoughts that lead from the root to `thought`, itself included."""
    path: list[str] = []
    while thought["parent"] is not None:
        path.append(thought["text"])
        thought = tree[thought["parent"]]
    return path[::-1]


def task_for(state: SearchState, thoughts: list[Thought]) -> SearchTask:
    tree = state["tree"]
    return SearchTask(
        problem=state["problem"],
        root=tree[ROOT]["state"],
        before=state["before"],
        thoughts=thoughts,
        paths=[path_to(tree, thought) for thought in thoughts],
        spent=state["spent"],
    )


def asking(prompt: str, task: SearchTask, shown: str) -> list[BaseMessage]:
    """The messages that put states before the model, with what was said before the problem."""
    return [SystemMessage(system_prompt(prompt, task["before"])), HumanMessage(shown)]


def system_prompt(prompt: str, before: str) -> str:
    """The prompt with what was said before the problem, if the problem wants it."""
    return f"{prompt}\n\n<conversation>\n{before}\n</conversation>" if before else prompt


def with_status(tree: Tree, *status: str) -> list[Thought]:
    """The thoughts of one of these statuses, in the order they were had."""
    return [thought for thought in tree.values() if thought["status"] in status]


def best_of(tree: Tree) -> Thought | None:
    """The solution, or else the deepest state worth keeping, the most valued of its level first."""
    solved = with_status(tree, "solved")
    worth = solved or with_status(tree, "kept", "expanded", "proposed")
    return max(worth, key=lambda thought: (thought["depth"], thought["value"]), default=None)


def levels_of(problem: Problem, root: str, context: SearchContext) -> int:
    return problem.levels(root) or context.depth
