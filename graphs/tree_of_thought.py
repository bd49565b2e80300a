"""Tree of Thought: propose, value, keep the best, go on from there (Yao et al. 2023, arXiv 2305.10601)."""

from collections.abc import Sequence
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from nodes.answer_search import answer
from nodes.budget import begin
from nodes.context import SearchContext
from nodes.evaluate import evaluate
from nodes.expand import expand
from nodes.merge import merge, to_evaluate
from nodes.models import ChatModels, EnvironmentModels, describe_model
from nodes.problems.game24 import Game24
from nodes.problems.problem import Problem
from nodes.problems.text import TextProblem
from nodes.read_problem import read_problem
from nodes.select import select, to_expand
from nodes.state import SearchState
from nodes.summarise import summarise

PROBLEMS: tuple[Problem, ...] = (Game24(), TextProblem())


def build(models: ChatModels, problems: Sequence[Problem] = PROBLEMS) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph over any models and problem adapters, tried in order; the shipped one is `graph`."""
    known = {problem.name: problem for problem in problems}
    builder = StateGraph(SearchState, SearchContext)
    builder.add_node("begin", begin)
    builder.add_node("summarise", summarise(models))
    builder.add_node("read_problem", read_problem(problems))
    builder.add_node("expand", expand(models, known))
    builder.add_node("merge", merge(known))
    builder.add_node("evaluate", evaluate(models, known))
    builder.add_node("select", select(known))
    builder.add_node("answer", answer(models, known))
    builder.add_edge(START, "begin")
    builder.add_edge("begin", "summarise")
    builder.add_edge("summarise", "read_problem")
    builder.add_conditional_edges("read_problem", to_expand(known), ["expand", "answer"])
    builder.add_edge("expand", "merge")
    builder.add_conditional_edges("merge", to_evaluate, ["evaluate", "select"])
    builder.add_edge("evaluate", "select")
    builder.add_conditional_edges("select", to_expand(known), ["expand", "answer"])
    builder.add_edge("answer", END)
    return builder.compile(name="tree_of_thought")


describe_model()  # refuse to load when no model is configured
graph = build(EnvironmentModels())
