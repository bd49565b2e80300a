"""Hands its question to another graph, which answers token by token."""

from langgraph.graph import START, MessagesState, StateGraph
from trial_graphs import talkative

graph = StateGraph(MessagesState).add_node("speaker", talkative.graph).add_edge(START, "speaker").compile()
