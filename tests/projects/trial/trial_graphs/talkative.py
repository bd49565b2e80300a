"""Streams everything there is to stream: custom events, and a model's tokens one by one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph


class Repeating(BaseChatModel):
    """Repeats the last message, a word a chunk, with a short pause after each."""

    pause_seconds: float = 0.02

    @property
    def _llm_type(self) -> str:
        return "repeating"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(messages[-1].text))])

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        words = messages[-1].text.split()
        for place, word in enumerate(words):
            await asyncio.sleep(self.pause_seconds)
            last = place == len(words) - 1
            yield ChatGenerationChunk(
                message=AIMessageChunk(word if last else f"{word} ", chunk_position="last" if last else None)
            )


async def talk(state: MessagesState) -> dict:
    get_stream_writer()({"note": "about to talk"})
    return {"messages": [await Repeating().ainvoke(state["messages"])]}


graph = StateGraph(MessagesState).add_node("talk", talk).add_edge(START, "talk").compile()
