"""Graphs that raise what nobody expects, and one that does not let itself be cancelled."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    kind: str
    file: str
    visited: Annotated[list[str], lambda old, new: old + new]


class PanicException(BaseException):
    """As extensions written in Rust raise it."""


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def go_wrong(state: State) -> State:
    match state["kind"]:
        case "exit":
            sys.exit(3)
        case "exit well":
            sys.exit()
        case "interrupt":
            raise KeyboardInterrupt
        case "panic":
            raise PanicException("of a library")
        case "generator":
            raise GeneratorExit
        case "several":
            raise BaseExceptionGroup("several", [PanicException()])
        case "speechless":
            raise SpeechlessError
        case "die":
            os._exit(1)
    return {"visited": [state["kind"]]}


async def go_wrong_later(state: State) -> State:
    await asyncio.sleep(0)
    return go_wrong(state)


async def leave_later(state: State) -> State:
    """What ends the process from outside of any node."""
    if state["kind"] == "callback":
        asyncio.get_running_loop().call_soon(sys.exit, 3)
        await asyncio.sleep(0.01)
    return {}


async def hear_nothing(state: State) -> State:
    Path(state["file"]).touch()
    for _ in range(int(state["kind"])):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.1)
    return {"visited": ["first"]}


async def come_after(state: State) -> State:
    return {"visited": ["second"]}


inner = StateGraph(State).add_node("go_wrong", go_wrong).add_edge(START, "go_wrong").compile()
sync = StateGraph(State).add_node("inner", inner).add_edge(START, "inner").compile()
awaited = (
    StateGraph(State)
    .add_node("leave_later", leave_later)
    .add_node("go_wrong", go_wrong_later)
    .add_edge(START, "leave_later")
    .add_edge("leave_later", "go_wrong")
    .compile()
)
deaf = (
    StateGraph(State)
    .add_node("hear_nothing", hear_nothing)
    .add_node("come_after", come_after)
    .add_edge(START, "hear_nothing")
    .add_edge("hear_nothing", "come_after")
    .compile()
)
