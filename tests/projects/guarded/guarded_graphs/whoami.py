"""Says who asked, and keeps what it was told in the store, under a namespace that does not name its owner."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    note: str
    notes: list[str]
    who: dict[str, Any]


async def answer(state: State, config: RunnableConfig, runtime: Runtime) -> State:
    assert runtime.store is not None
    if note := state.get("note"):
        await runtime.store.aput(("notes",), note, {"text": note})
    kept = await runtime.store.asearch(("notes",))
    user = runtime.server_info.user if runtime.server_info else None
    configurable = config["configurable"]
    who = {
        "identity": user.identity if user else None,
        "permissions": list(user.permissions) if user else [],
        "auth_user_id": configurable.get("langgraph_auth_user_id"),
        "user_id": configurable.get("user_id"),
    }
    return {"notes": sorted(item.key for item in kept), "who": who}


builder = StateGraph(State)
builder.add_node("answer", answer)
builder.add_edge(START, "answer")
builder.add_edge("answer", END)
graph = builder.compile()
