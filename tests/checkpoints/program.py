"""Random lives of a thread, for the property test: what its graph does is written in the run's own input.

Every node carries out one act of the script, so a hypothesis example is a list of turns, each a list of acts.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages
from langgraph.types import Command, Overwrite, Send, interrupt
from typing_extensions import TypedDict


def concatenated(state: list[Any], writes: list[Any]) -> list[Any]:
    """A reducer that may be given its writes in any batches."""
    return [*state, *(item for write in writes for item in write)]


class State(TypedDict, total=False):
    script: list[Any]
    messages: Annotated[list[Any], add_messages]
    log: Annotated[list[Any], operator.add]
    deltas: Annotated[list[Any], DeltaChannel(concatenated, snapshot_frequency=3)]
    note: Any


class Inner(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    private: Annotated[list[Any], operator.add]
    note: Any


def message(number: int) -> Any:
    """One of many kinds of message, the same for the same number."""
    id, text = f"m{number}", f"text {number} " * (number % 7)
    call = {"name": "tool", "args": {"n": number, "deep": {"list": [1, 2.5, None]}}, "id": f"c{number}"}
    return [
        HumanMessage(text, id=id),
        AIMessage(text, id=id, tool_calls=[call]),
        ToolMessage(text, id=id, tool_call_id=f"c{number}", artifact={"pair": (1, 2)}),
        AIMessage([{"type": "text", "text": text}], id=id, additional_kwargs={"flag": True, "one": 1}),
        HumanMessage(text, id=id, name="someone", undeclared="extra"),
    ][number % 5]


def edit(one: Any, how: int) -> None:
    """Change a message in place, in a way that equality alone may not show."""
    match how % 6:
        case 0:
            one.content = f"edited {how}"
        case 1:
            one.additional_kwargs["added"] = {"how": how}
        case 2:
            one.response_metadata.setdefault("list", []).append(how)
        case 3:
            one.additional_kwargs["flag"] = 1
        case 4:
            one.name = f"name {how}"
        case 5:
            one.additional_kwargs["flag"] = 1.0


def say(number: int, messages: list[Any], state: Any) -> dict[str, Any]:
    return {"messages": [message(number)]}


def say_many(number: int, messages: list[Any], state: Any) -> dict[str, Any]:
    return {"messages": [message(number + i) for i in range(number % 90)]}


def edit_one(number: int, messages: list[Any], state: Any) -> dict[str, Any]:
    if messages:
        edit(messages[number % len(messages)], number)
    return {"messages": []}


def edit_unsaid(number: int, messages: list[Any], state: Any) -> dict[str, Any]:
    """The channel is not returned: nothing of this edit may be stored."""
    edit_one(number, messages, state)
    return {"note": number}


def replace(number: int, messages: list[Any], state: Any) -> dict[str, Any]:
    return {"messages": [HumanMessage(f"replaced {number}", id=one.id) for one in messages[number % 5 :][:1]]}


def remove(number: int, messages: list[Any], state: Any) -> dict[str, Any]:
    return {"messages": [RemoveMessage(one.id) for one in messages[number % 5 :][:1]]}


def start_over(number: int, messages: list[Any], state: Any) -> dict[str, Any]:
    return {"messages": [RemoveMessage(REMOVE_ALL_MESSAGES), message(number)]}


def log(number: int, messages: list[Any], state: Any) -> dict[str, Any]:
    return {"log": [number, {"n": number}, ("pair", number), None, b"bytes", 1.5][: number % 7]}


def log_in_place(number: int, messages: list[Any], state: Any) -> dict[str, Any]:
    state.setdefault("log", []).insert(0, {"first": number})
    return {"log": []}


def note(number: int, messages: list[Any], state: Any) -> dict[str, Any]:
    kinds = [None, "", "short", "long " * 50, 2**62, 1.5, [1, [2]], {"k": [1]}, bytearray(b"a")]
    return {"note": kinds[number % len(kinds)]}


def fail(number: int, messages: list[Any], state: Any) -> dict[str, Any]:
    raise ZeroDivisionError(number)


PERFORM: dict[str, Callable[[int, list[Any], Any], dict[str, Any]]] = {
    "say": say,
    "say_many": say_many,
    "edit": edit_one,
    "edit_unsaid": edit_unsaid,
    "replace": replace,
    "remove": remove,
    "start_over": start_over,
    "log": log,
    "log_in_place": log_in_place,
    "delta": lambda number, *_: {"deltas": [{"n": number}] * (number % 3)},
    "delta_over": lambda number, *_: {"deltas": Overwrite([number])},
    "note": note,
    "ask": lambda number, *_: {"note": interrupt(f"question {number}")},
    "fail": fail,
}


def step_in_thread(state: State) -> Any:
    kind, number = state["script"][0]
    return PERFORM[kind](number, state.get("messages", []), state) | {"script": state["script"][1:]}


async def step(state: State) -> Any:
    """On the loop: a node in a thread could edit what the checkpoint before it is just being stored from."""
    return step_in_thread(state)


def spread(state: State) -> list[Any]:
    """After each act: several tasks at once, the subgraph, the next act, or the end."""
    script = state.get("script") or []
    if not script:
        return [END]
    kind, number = script[0]
    if kind == "spread":
        return [Send("worker", {"n": number + i}) for i in range(number % 3 + 1)]
    return ["inner"] if kind == "inner" else ["step"]


def worker(state: Any) -> Any:
    return {"log": [state["n"]], "messages": [message(state["n"])]}


def drop(state: State) -> Any:
    return {"script": state["script"][1:]}


def build(checkpointer: Any, *, in_threads: bool = False) -> Any:
    inner = StateGraph(Inner)
    inner.add_node("first", lambda state: {"private": [len(state.get("private", []))], "log": ["inner"]})
    inner.add_node("second", lambda state: {"private": [{"in": state["private"]}], "note": "inner"})
    inner.add_edge(START, "first")
    inner.add_edge("first", "second")
    graph = StateGraph(State)
    graph.add_node("step", step_in_thread if in_threads else step)
    graph.add_node("worker", worker)
    graph.add_node("drop", drop)
    graph.add_node("inner", inner.compile(checkpointer=True))
    graph.add_conditional_edges(START, spread)
    graph.add_conditional_edges("step", spread)
    graph.add_conditional_edges("drop", spread)
    graph.add_edge("worker", "drop")
    graph.add_edge("inner", "drop")
    return graph.compile(checkpointer=checkpointer)


@dataclass(frozen=True)
class Turn:
    """One operation on the thread; `at` picks a checkpoint of its history, as far back as it says."""

    kind: str
    acts: tuple[Any, ...] = ()
    at: int = 0
    durability: str = "async"

    def input(self) -> Any:
        return {"script": [list(act) for act in self.acts]}

    def resume(self) -> Any:
        return Command(resume=f"answer {self.at}")


ACTS = st.tuples(
    st.sampled_from([*PERFORM, "say", "edit", "log", "delta", "spread", "inner"]),
    st.integers(0, 200),
)
TURNS = st.builds(
    Turn,
    kind=st.sampled_from(
        ["run"] * 6 + ["resume", "fork", "update", "update", "prune", "remove_run", "reopen", "copy", "branch"]
    ),
    acts=st.lists(ACTS, min_size=1, max_size=6).map(tuple),
    at=st.integers(0, 20),
    durability=st.sampled_from(["async", "sync", "exit"]),
)
