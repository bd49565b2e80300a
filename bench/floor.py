"""The floor: a bare FastAPI route around `graph.ainvoke` and `astream` with `InMemorySaver`; no queue, no log, no disk.

What a server adds to LangGraph is measured against this, by the same client, in the same run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from langgraph.checkpoint.memory import InMemorySaver

from bench.ticking.ticking import graph as ticking
from tests.projects.trial.trial_graphs.echo import graph as echo

app = FastAPI()
graph = echo.copy({"checkpointer": InMemorySaver()})
ticking_graph = ticking.copy({"checkpointer": InMemorySaver()})


def config_of(thread_id: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread_id}}


@app.post("/threads")
async def create_thread(body: dict[str, Any]) -> dict[str, Any]:
    return {"thread_id": body["thread_id"]}


@app.post("/threads/{thread_id}/runs/wait")
async def wait(thread_id: str, body: dict[str, Any]) -> dict[str, Any]:
    values = await graph.ainvoke(body["input"], config_of(thread_id))
    return {"messages": [message.model_dump() for message in values["messages"]]}


@app.post("/threads/{thread_id}/runs/stream")
async def stream(thread_id: str, body: dict[str, Any]) -> StreamingResponse:
    frames = tokens if body["assistant_id"] == "ticking" else states
    return StreamingResponse(frames(thread_id, body), media_type="text/event-stream")


async def states(thread_id: str, body: dict[str, Any]) -> AsyncIterator[bytes]:
    async for values in graph.astream(body["input"], config_of(thread_id), stream_mode="values"):
        data = json.dumps({"messages": [message.model_dump() for message in values["messages"]]})
        yield f"event: values\r\ndata: {data}\r\n\r\n".encode()


async def tokens(thread_id: str, body: dict[str, Any]) -> AsyncIterator[bytes]:
    async for message, metadata in ticking_graph.astream(body["input"], config_of(thread_id), stream_mode="messages"):
        data = json.dumps([message.model_dump(), metadata], separators=(",", ":"), default=str)
        yield f"event: messages\r\ndata: {data}\r\n\r\n".encode()
    yield b"event: end\r\n\r\n"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
