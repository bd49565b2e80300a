"""Threadkeep: the Agent Server API and a durable run engine in one process and one data folder.

This package knows LangGraph and knows no particular graph: it loads what `langgraph.json` names.
Imports flow one way: `api -> runs -> streams -> storage -> settings, errors, clock`.
"""

__version__ = "0.1.0"

# The Agent Server API level that clients (Studio compares it) find at `/info`.
API_VERSION = "0.16.7"
