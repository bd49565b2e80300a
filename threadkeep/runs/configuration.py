"""The configuration of a run: what its graph reads, and what a factory that makes the graph is told, whoever asks."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig

from threadkeep.auth.users import AuthUser
from threadkeep.runs.run import Run


def run_config(run: Run) -> RunnableConfig:
    """What the client gave, with the names that the run goes by and who asked for it."""
    given = run.kwargs.config
    ids = {
        "thread_id": run.thread_id,
        "run_id": run.run_id,
        "graph_id": run.graph_id,
        "assistant_id": run.assistant_id,
    }
    if run.user_id is not None:
        ids["user_id"] = run.user_id
    config: RunnableConfig = {
        "configurable": {**given.get("configurable", {}), **ids, **_auth(run)},
        "metadata": {**given.get("metadata", {}), **run.metadata, **ids},
        "run_name": run.graph_id,
        "tags": list(given.get("tags") or []),
    }
    if given.get("recursion_limit"):
        config["recursion_limit"] = int(given["recursion_limit"])
    if given.get("max_concurrency"):
        config["max_concurrency"] = int(given["max_concurrency"])
    return config


def _auth(run: Run) -> dict[str, Any]:
    """Who asked, under the names that graphs of the reference server read it by."""
    if run.kwargs.user is None:
        return {}
    user = AuthUser(run.kwargs.user)
    return {
        "langgraph_auth_user": user,
        "langgraph_auth_user_id": user.identity,
        "langgraph_auth_permissions": list(user.permissions),
    }
