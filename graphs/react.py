"""ReAct: the model calls tools until it can answer (Yao et al. 2022, arXiv 2210.03629), by native tool calling."""

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from nodes.approve_tools import approve_tools
from nodes.budget import begin
from nodes.call_model import after_model, call_model, to_tools
from nodes.context import ReactContext
from nodes.models import ChatModels, EnvironmentModels, describe_model
from nodes.respond import respond
from nodes.run_tool import run_tool
from nodes.state import ReactState
from nodes.summarise import summarise
from nodes.tools.choice import tools_checked
from nodes.tools.standard import StandardToolkit
from nodes.tools.toolkit import Toolkit


def build(models: ChatModels, toolkit: Toolkit | None = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph over any models and tools; the shipped one is `graph`."""
    kit = toolkit or StandardToolkit()
    builder = StateGraph(ReactState, tools_checked(ReactContext, kit))
    builder.add_node("begin", begin)
    builder.add_node("summarise", summarise(models))
    builder.add_node("call_model", call_model(models, kit))
    builder.add_node("approve_tools", approve_tools)
    builder.add_node("run_tool", run_tool(kit))
    builder.add_node("respond", respond(models))
    builder.add_edge(START, "begin")
    builder.add_edge("begin", "summarise")
    builder.add_edge("summarise", "call_model")
    after = ["approve_tools", "run_tool", "call_model", "respond", END]
    builder.add_conditional_edges("call_model", after_model, after)
    builder.add_conditional_edges("approve_tools", to_tools, after[1:])
    builder.add_edge("run_tool", "call_model")
    builder.add_edge("respond", END)
    return builder.compile(name="react")


describe_model()  # refuse to load when no model is configured
graph = build(EnvironmentModels())
