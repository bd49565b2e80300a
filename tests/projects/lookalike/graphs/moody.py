"""A chat graph for what goes wrong and what has to wait."""

from langgraph.graph import START, MessagesState, StateGraph
from nodes.answer import answer

graph = StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()
