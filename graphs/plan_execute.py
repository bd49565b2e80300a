"""Plan-and-Execute: a plan of dependent steps, carried out in parallel waves (after ReWOO 2305.18323 and
LLMCompiler 2312.04511), then one answer from what the steps gave."""

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from nodes.advance import advance, after_advance, after_replan
from nodes.answer_plan import answer
from nodes.approve_plan import approve_plan
from nodes.approve_tools import approve_tools
from nodes.budget import begin
from nodes.call_model import after_model, call_model, to_tools
from nodes.context import PlanContext
from nodes.models import ChatModels, EnvironmentModels, describe_model
from nodes.plan import after_plan, plan, replan
from nodes.respond import respond, to_response
from nodes.run_step import run_step
from nodes.run_tool import run_tool
from nodes.state import PlanState
from nodes.summarise import summarise
from nodes.tools.choice import tools_checked
from nodes.tools.standard import StandardToolkit
from nodes.tools.toolkit import Toolkit


def build(models: ChatModels, toolkit: Toolkit | None = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph over any models and tools; the shipped one is `graph`."""
    kit = toolkit or StandardToolkit()
    builder = StateGraph(PlanState, tools_checked(PlanContext, kit))
    builder.add_node("begin", begin)
    builder.add_node("summarise", summarise(models))
    builder.add_node("plan", plan(models, kit))
    builder.add_node("approve_plan", approve_plan(kit))
    builder.add_node("advance", advance)
    builder.add_node("run_step", run_step(models, kit))
    builder.add_node("replan", replan(models, kit))
    builder.add_node("answer", answer(models))
    builder.add_edge(START, "begin")
    builder.add_edge("begin", "summarise")
    builder.add_edge("summarise", "plan")
    builder.add_conditional_edges("plan", after_plan, ["approve_plan", "advance", "call_model"])
    builder.add_edge("approve_plan", "advance")
    builder.add_conditional_edges("advance", after_advance, ["run_step", "advance", "replan", "answer"])
    builder.add_edge("run_step", "advance")
    builder.add_conditional_edges("replan", after_replan, ["approve_plan", "advance", "answer"])
    builder.add_conditional_edges("answer", to_response, ["respond", END])

    # Without a usable plan, ReAct answers.
    after = ["run_tool", "call_model", "respond", END]
    builder.add_node("call_model", call_model(models, kit))
    builder.add_node("approve_tools", approve_tools)
    builder.add_node("run_tool", run_tool(kit))
    builder.add_node("respond", respond(models))
    builder.add_conditional_edges("call_model", after_model, ["approve_tools", *after])
    builder.add_conditional_edges("approve_tools", to_tools, after)
    builder.add_edge("run_tool", "call_model")
    builder.add_edge("respond", END)
    return builder.compile(name="plan_execute")


describe_model()  # refuse to load when no model is configured
graph = build(EnvironmentModels())
