"""Routes, middleware and a lifespan of somebody's own, for `http.app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request, WebSocket
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import Response

HOOKS: list[dict[str, Any]] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    app.state.opened = "app state"
    yield {"yielded": "request state"}


class Marking(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        if request.headers.get("x-turn-away"):
            return Response("turned away", status_code=418)
        response = await call_next(request)
        response.headers["x-marked"] = "yes"
        return response


app = FastAPI(lifespan=lifespan)
app.add_middleware(Marking)


@app.get("/info")
async def info() -> dict[str, str]:
    return {"version": "mine"}


@app.get("/ok")
async def ok() -> dict[str, str]:
    return {"never": "seen"}


@app.get("/mine/{name}")
async def mine(name: str, request: Request) -> dict[str, str]:
    if name == "missing":
        raise HTTPException(404, "mine is missing")
    return {"name": name, "app": request.app.state.opened, "request": request.state.yielded}


@app.get("/broken")
async def broken() -> None:
    raise RuntimeError("a secret of somebody's code")


@app.get("/away")
async def away() -> Response:
    return Response(status_code=307, headers={"location": "/mine/away"})


@app.post("/hook")
async def hook(request: Request) -> dict[str, str]:
    HOOKS.append(await request.json())
    return {}


@app.get("/hooks")
async def hooks() -> list[dict[str, Any]]:
    return HOOKS


@app.websocket("/talk")
async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()
