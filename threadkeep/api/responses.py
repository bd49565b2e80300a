"""Answers: JSON as `threadkeep.json` writes it, and long ones, headed at once and filled when there is news."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

from starlette.responses import Response

from threadkeep import json
from threadkeep.callers import EVERYONE
from threadkeep.engine import Engine
from threadkeep.errors import NotFoundError
from threadkeep.runs.run import Run
from threadkeep.streams.live import END, Event, GapError, RunStream
from threadkeep.streams.sse import EVENT_STREAM, HEARTBEAT, UNBUFFERED, LongResponse, StreamCutError, encode

Batches = AsyncGenerator[list[Event], None]

_SOON_SECONDS = 0.25
_MUCH = 100_000  # bytes


class Json(Response):
    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(json.dumps(content), status_code, headers)


async def json_list(rows: Iterable[Any], headers: Mapping[str, str]) -> Response:
    """A JSON array, written row by row: after one that took a while, others have their turn."""
    written = []
    for row in rows:
        written.append(json.dumps(row))
        if len(written[-1]) > _MUCH:
            await asyncio.sleep(0)
    return Response(b"[" + b",".join(written) + b"]", media_type=Json.media_type, headers=headers)


def stream_response(
    engine: Engine,
    run: Run,
    batches: Batches,
    *,
    headers: Mapping[str, str],
    modes: frozenset[str] | None = None,
    cancel_on_disconnect: bool = False,
) -> LongResponse:
    """A run's events as SSE until its end. `modes` keeps only those stream modes (and metadata, error, end)."""
    with_id = run.kwargs.stream_resumable

    async def body() -> AsyncGenerator[bytes, None]:
        async for events in until_stopping(batches):
            frames = [encode(event, with_id=with_id) for event in events if _asked(event, modes)]
            if frames:
                yield b"".join(frames)
            del frames  # what was sent is not held while there is nothing to send

    chunks = cancelling(engine, run, body()) if cancel_on_disconnect else body()
    return long_response(engine, chunks, media_type=EVENT_STREAM, heartbeat=HEARTBEAT, headers=headers)


async def wait_response(
    engine: Engine,
    run: Run,
    stream: RunStream | None,
    *,
    headers: Mapping[str, str],
    cancel_on_disconnect: bool = False,
) -> Response:
    """The run's final values, once there are any; newlines before them keep the connection alive.

    Those of a run that ends soon are an answer like any other; only a longer one is headed before it can be filled.
    """
    if stream is None:
        return Json(await result_of_ended(engine, run), headers={**UNBUFFERED, **headers})
    with engine.metrics.reader("wait"):
        if await stream.over_within(min(_SOON_SECONDS, engine.settings.heartbeat_seconds)):
            return Json(await _result(engine, run, stream), headers={**UNBUFFERED, **headers})
    await engine.queue.sync()  # from here on the client is told that there is a run

    async def body() -> AsyncGenerator[bytes, None]:
        if not await stream.until_over():
            raise StreamCutError
        yield json.dumps(await _result(engine, run, stream))

    chunks = cancelling(engine, run, body()) if cancel_on_disconnect else body()
    return long_response(engine, chunks, media_type="application/json", heartbeat=b"\n", headers=headers)


async def cancelling(engine: Engine, run: Run, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The chunks; when the client goes away before the end, the run is cancelled. A cut of our own cancels nothing."""
    over = False
    try:
        async for chunk in chunks:
            yield chunk
        over = True
    except StreamCutError:
        over = True
        raise
    finally:
        if not over:
            await engine.acceptance.cancel(run, "interrupt")


def long_response(
    engine: Engine, body: AsyncGenerator[bytes, None], *, media_type: str, heartbeat: bytes, headers: Mapping[str, str]
) -> LongResponse:
    return LongResponse(
        body,
        media_type=media_type,
        heartbeat=heartbeat,
        heartbeat_seconds=engine.settings.heartbeat_seconds,
        send_timeout_seconds=engine.settings.send_timeout_seconds,
        metrics=engine.metrics,
        headers=headers,
    )


async def until_stopping(batches: Batches) -> Batches:
    """The batches, but cut when the run is given up (the server stops) or the reader fell too far behind."""
    try:
        async for events in batches:
            yield events
            if events[-1].name == END:
                return
        raise StreamCutError  # abandoned: the run goes on in the next process
    except GapError:
        raise StreamCutError("behind") from None
    finally:
        await batches.aclose()


def _asked(event: Event, modes: frozenset[str] | None) -> bool:
    if modes is None or event.name in ("metadata", "error", END):
        return True
    mode = event.name.partition("|")[0]
    if mode == "messages":
        mode = "messages-tuple"
    return mode.partition("/")[0] in modes


async def final_values(engine: Engine, run: Run, stream: RunStream | None) -> Any:
    """What `wait` and `join` answer, when the run has ended: its values, its error, or `{}`."""
    if stream is None:
        return await result_of_ended(engine, run)
    if not await stream.until_over():
        raise StreamCutError
    return await _result(engine, run, stream)


async def _result(engine: Engine, run: Run, stream: RunStream) -> Any:
    return await result_of_ended(engine, run) if stream.elsewhere else stream.result


async def result_of_ended(engine: Engine, run: Run) -> Any:
    """The same for a run that ended earlier, whatever its thread has come to since."""
    try:
        run = await engine.queue.get(run.run_id, EVERYONE)
    except NotFoundError:
        return {}
    if run.error is not None:
        return {"__error__": run.error}
    if run.status == "interrupted":
        return {}
    return await engine.values.of_ended(run)
