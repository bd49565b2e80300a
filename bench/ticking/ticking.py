"""A graph that speaks as a model does: tokens at a steady pace, each carrying the moment it was made."""

from __future__ import annotations

import asyncio
import time
from typing import Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    tokens: int
    pause: float


class TickingModel(BaseChatModel):
    tokens: int
    pause: float

    @property
    def _llm_type(self) -> str:
        return "ticking"

    def _generate(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("it only streams")

    async def _astream(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
        for _ in range(self.tokens):
            await asyncio.sleep(self.pause)
            chunk = ChatGenerationChunk(message=AIMessageChunk(f"{time.time():.6f} "))
            if run_manager is not None:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


async def speak(state: State) -> State:
    model = TickingModel(tokens=state.get("tokens", 5), pause=state.get("pause", 0.05))
    async for _ in model.astream("go"):
        pass
    return {}


graph = StateGraph(State).add_node("speak", speak).add_edge(START, "speak").compile()
