"""Streams on the wire: headers, ids, replay while a run lives and after its end, heartbeats, ends and cuts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_client

from tests.api.frames import Frame, parse, read
from tests.api.sdk import Sdk
from tests.api.waiting import until, until_true
from tests.api_requirements import requirement
from tests.processes import TRIAL_PROJECT, ServerProcess, running_server

COUNT: dict[str, Any] = {"assistant_id": "slow", "input": {"steps": 6, "seconds": 0.02}}


async def new_thread(sdk: Sdk) -> str:
    return str((await sdk.threads.create())["thread_id"])


async def get_frames(raw: httpx.AsyncClient, path: str, last_event_id: str | None = None, **query: Any) -> list[Frame]:
    headers = {} if last_event_id is None else {"last-event-id": last_event_id}
    return parse((await raw.get(path, headers=headers, params=query)).content)


@requirement("streams.headers")
async def test_streams_say_where_they_can_be_found_before_the_first_frame(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await new_thread(sdk)
    for path, verb, kind in (
        ("stream", "stream", "text/event-stream; charset=utf-8"),
        ("wait", "join", "application/json"),
    ):
        blocked = {"assistant_id": "slow", "input": {"steps": 1000, "seconds": 0.05}, "multitask_strategy": "interrupt"}
        async with raw.stream("POST", f"/threads/{key}/runs/{path}", json=blocked) as response:
            run_path = response.headers["content-location"]
            assert run_path.startswith(f"/threads/{key}/runs/")
            assert response.headers["location"] == f"{run_path}/{verb}"
            assert response.headers["content-type"] == kind
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["x-accel-buffering"] == "no"
        await raw.post(f"{run_path}/cancel?wait=true")
    background = await raw.post(f"/threads/{key}/runs", json=COUNT)
    assert background.headers["content-location"] == f"/threads/{key}/runs/{background.json()['run_id']}"
    stateless = await raw.post("/runs/wait", json=COUNT)
    assert stateless.headers["location"].startswith("/runs/")


async def test_a_run_that_ends_soon_is_waited_for_without_a_stream_and_under_the_same_headers(
    raw: httpx.AsyncClient,
) -> None:
    answer = await raw.post("/runs/wait", json={"assistant_id": "echo", "input": {"messages": "hi"}})
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["location"] == f"{answer.headers['content-location']}/join"


@requirement("streams.cors")
async def test_browsers_on_loopback_may_read_the_locations(raw: httpx.AsyncClient) -> None:
    answer = await raw.post("/runs/wait", json=COUNT, headers={"origin": "http://localhost:3000"})
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"location", "content-location", "x-pagination-total", "x-pagination-next"} <= exposed


@requirement("streams.frames")
async def test_frames_are_event_data_id_in_crlf_and_only_resumable_ones_have_ids(
    sdk: Sdk, raw: httpx.AsyncClient
) -> None:
    key = await new_thread(sdk)
    plain = await raw.post(f"/threads/{key}/runs/stream", json=COUNT)
    assert all(frame.id is None for frame in parse(plain.content))
    assert b"\n" not in plain.content.replace(b"\r\n", b"")
    body = (await raw.post(f"/threads/{key}/runs/stream", json={**COUNT, "stream_resumable": True})).content
    frames = parse(body)
    assert [frame.id for frame in frames] == [str(number) for number in range(1, len(frames) + 1)]
    assert [frame.event for frame in frames if frame.event == "end"] == ["end"] == [frames[-1].event]
    first = body.split(b"\r\n\r\n")[0].split(b"\r\n")
    assert [line.split(b":")[0] for line in first] == [b"event", b"data", b"id"]


@requirement("streams.replay.after")
async def test_an_ended_resumable_run_is_replayed_from_any_id(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await new_thread(sdk)
    answer = await raw.post(f"/threads/{key}/runs/stream", json={**COUNT, "stream_resumable": True})
    whole = parse(answer.content)
    path = answer.headers["location"]
    for everything in ("-1", "0", "-"):
        assert await get_frames(raw, path, everything) == whole
    for frame in whole:
        assert await get_frames(raw, path, frame.id) == whole[int(frame.id or 0) :] or frame.event == "end"
    assert (await get_frames(raw, path, whole[-1].id))[-1].event == "end"
    assert (await raw.get(path, headers={"last-event-id": "not-ours"})).status_code == 400
    modes = await get_frames(raw, path, "-1", stream_mode="updates")
    assert {frame.event for frame in modes} == {"metadata", "end"}


@requirement("streams.replay.live")
async def test_readers_that_come_and_go_lose_no_frame_and_see_none_twice(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await new_thread(sdk)
    body = {"assistant_id": "slow", "input": {"steps": 40, "seconds": 0.02}, "stream_resumable": True}
    async with raw.stream(
        "POST", f"/threads/{key}/runs/stream", json={**body, "stream_mode": ["values", "updates"]}
    ) as own:
        path = own.headers["location"]

        async def in_pieces(size: int) -> list[Frame]:
            """Reconnects again and again after a few frames."""
            seen: list[Frame] = []
            while not seen or seen[-1].event != "end":
                headers = {"last-event-id": (seen[-1].id or "") if seen else "-1"}
                async with raw.stream("GET", path, headers=headers) as response:
                    taken = 0
                    async for frame in read(response):
                        seen.append(frame)
                        taken += 1
                        if taken == size:
                            break
            return seen

        pieces = await asyncio.gather(*(in_pieces(size) for size in (1, 3, 7, 1000)))
        whole = [frame async for frame in read(own)]
    assert all(piece == whole for piece in pieces)
    assert [frame.id for frame in whole] == [str(number) for number in range(1, len(whole) + 1)]


@requirement("streams.join.live")
async def test_joining_without_an_id_shows_what_is_still_to_come(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await new_thread(sdk)
    run = await sdk.runs.create(key, "slow", input={"steps": 20, "seconds": 0.05})
    await until(lambda: sdk.threads.get(key), lambda thread: bool((thread["values"] or {}).get("done")))
    parts = [part async for part in sdk.runs.join_stream(key, run["run_id"], stream_mode="values")]
    assert parts[-1].event == "end"
    assert len(parts[-2].data["done"]) == 20
    assert [part.event for part in parts].count("metadata") == 0
    late = [part async for part in sdk.runs.join_stream(key, run["run_id"])]
    assert [part.event for part in late] == ["end"]
    assert (await raw.get(f"/threads/{key}/runs/{uuid4()}/stream")).status_code == 404


@requirement("streams.end")
async def test_every_way_a_run_ends_is_told_by_an_end_frame(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    failed = [part async for part in sdk.runs.stream(key, "failing", input={"how": "raise"})]
    assert [part.event for part in failed] == ["metadata", "values", "error", "end"] or failed[-1].event == "end"
    assert failed[-1].data["status"] == "error"
    interrupted = [part async for part in sdk.runs.stream(key, "asking", input={})]
    assert interrupted[-1].data["status"] == "success"
    run = await sdk.runs.create(key, "slow", input={"steps": 1000, "seconds": 0.05})
    joined = asyncio.create_task(_events(sdk, key, run["run_id"]))
    await until(lambda: sdk.threads.get(key), lambda thread: bool((thread["values"] or {}).get("done")))
    await sdk.runs.cancel(key, run["run_id"])
    assert (await joined)[-1] == ("end", {"run_id": run["run_id"], "status": "interrupted"})


async def _events(sdk: Sdk, key: str, run_id: str) -> list[tuple[str, Any]]:
    return [(part.event, part.data) async for part in sdk.runs.join_stream(key, run_id)]


@requirement("streams.heartbeat")
async def test_silence_is_broken_by_heartbeats(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", config=TRIAL_PROJECT, environment={"HEARTBEAT_SECONDS": "0.05"}) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            body = {"assistant_id": "slow", "input": {"steps": 1, "seconds": 0.5}}
            streamed = (await client.post("/runs/stream", json=body)).content
            waited = (await client.post("/runs/wait", json=body)).content
    assert streamed.count(b": heartbeat\r\n\r\n") >= 2
    assert waited.startswith(b"\n\n")
    assert httpx.Response(200, content=waited).json()["done"] == [0]


@requirement("streams.cut")
async def test_a_stopping_server_cuts_streams_and_the_rest_is_there_after_a_restart(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", config=TRIAL_PROJECT) as server:
        seen: list[Frame] = []
        reading = asyncio.create_task(_read_until_cut(server, seen))
        await until_true(lambda: len(seen) > 3)
        assert await asyncio.to_thread(server.stop) == 0
        path = await reading
        assert all(frame.event != "end" for frame in seen)
        server.restart()
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            rest = await get_frames(client, path, seen[-1].id)
            whole = await get_frames(client, path, "-1")
    assert seen + rest == whole
    assert [frame.id for frame in whole] == [str(number) for number in range(1, len(whole) + 1)]
    assert whole[-1].event == "end"
    assert [frame.data["done"] for frame in whole if frame.event == "values"][-1] == list(range(40))


async def _read_until_cut(server: ServerProcess, seen: list[Frame]) -> str:
    """The stream's location, once it has broken off in the middle."""
    body = {"assistant_id": "slow", "input": {"steps": 40, "seconds": 0.05}, "stream_resumable": True}
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        async with client.stream("POST", f"/threads/{thread}/runs/stream", json=body) as response:
            with pytest.raises(httpx.RemoteProtocolError):
                await _take_all(response, seen)
            return response.headers["location"]


async def _take_all(response: httpx.Response, seen: list[Frame]) -> None:
    async for frame in read(response):
        seen.append(frame)  # noqa: PERF401 - one by one: what came before a cut counts


@requirement("streams.blocking")
async def test_other_streams_flow_while_sync_nodes_block(trial: ServerProcess, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    client: Sdk
    async with get_client(url=trial.url, api_key=None) as client:
        given = {"until": str(gate)}
        blocked = [await client.runs.create(None, "blocking", input=given, on_completion="keep") for _ in range(12)]
        threads = [run["thread_id"] for run in blocked]
        shown = [part async for part in client.runs.stream(None, "steps", input={"note": "x"}, stream_mode="updates")]
        assert [part.event for part in shown] == ["metadata", *["updates"] * 3, "end"]
        assert (await client.runs.wait(None, "tooled", input={"messages": "x"}))["messages"]
        still = [await client.runs.get(thread, run["run_id"]) for thread, run in zip(threads, blocked, strict=True)]
        assert {run["status"] for run in still} <= {"pending", "running"}
        gate.touch()


@requirement("streams.blocking.stop")
async def test_a_sync_node_that_blocks_does_not_keep_a_stopping_server_alive(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    settings = {"DRAIN_SECONDS": "0.2"}
    with running_server(tmp_path / "data", config=TRIAL_PROJECT, environment=settings) as server:
        client: Sdk
        async with get_client(url=server.url, api_key=None) as client:
            key = (await client.threads.create())["thread_id"]
            run_id = (await client.runs.create(key, "blocking", input={"until": str(gate)}))["run_id"]
            await until(lambda: client.runs.get(key, run_id), lambda run: run["status"] == "running")
        assert await asyncio.to_thread(server.stop, seconds=15) == 0  # the node itself would block for 30
        gate.touch()
        server.restart()
        async with get_client(url=server.url, api_key=None) as client:
            assert (await client.runs.join(key, run_id))["done"] is True


@requirement("streams.disconnect")
@pytest.mark.parametrize("form", ["stream", "wait"])
@pytest.mark.parametrize(("on_disconnect", "status"), [("cancel", "interrupted"), ("continue", "success")])
async def test_a_client_that_goes_away_cancels_its_run_only_if_it_said_so(
    sdk: Sdk, raw: httpx.AsyncClient, form: str, on_disconnect: str, status: str
) -> None:
    key = await new_thread(sdk)
    body = {"assistant_id": "slow", "input": {"steps": 20, "seconds": 0.05}, "on_disconnect": on_disconnect}
    async with raw.stream("POST", f"/threads/{key}/runs/{form}", json=body) as response:
        run_id = response.headers["content-location"].rpartition("/")[2]
        await until(lambda: sdk.runs.get(key, run_id), lambda run: run["status"] == "running")
    ended = await until(lambda: sdk.runs.get(key, run_id), lambda run: run["status"] not in ("pending", "running"))
    assert ended["status"] == status


@requirement("streams.thread")
async def test_a_threads_stream_shows_every_run_one_after_the_other(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await new_thread(sdk)
    seen, lifecycle = Following(raw, key, 2), Following(raw, key, 2)
    modes = {"stream_mode": ["run_modes", "state_update"]}
    following = [
        asyncio.create_task(seen.read(modes)),
        asyncio.create_task(lifecycle.read({"stream_mode": "lifecycle"})),
    ]
    await until_true(lambda: seen.connected and lifecycle.connected)
    for _ in range(2):
        run = await sdk.runs.create(key, "steps", input={"note": "x"}, stream_resumable=True)
        await sdk.runs.join(key, run["run_id"])
    await asyncio.gather(*following)
    ids = [int(frame.id) for frame in seen.frames if frame.id is not None]
    assert ids == sorted(set(ids))
    assert [frame.event for frame in lifecycle.frames] == ["metadata"] * 4
    updates = [frame.data["state"]["values"] for frame in seen.frames if frame.event == "state_update"]
    assert [len(values["path"]) for values in updates] == [3, 6]
    again = Following(raw, key, 2)
    await again.read({"stream_mode": "run_modes"}, last_event_id="-")
    assert again.frames == [frame for frame in seen.frames if frame.event != "state_update"]
    rest = Following(raw, key, 1)
    await rest.read({}, last_event_id=again.frames[9].id)
    assert rest.frames == again.frames[10:]


@requirement("streams.thread")
async def test_a_delayed_run_comes_after_those_that_passed_it(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await new_thread(sdk)
    seen = Following(raw, key, 2)
    following = asyncio.create_task(seen.read({}))
    await until_true(lambda: seen.connected)
    delayed = await sdk.runs.create(key, "steps", input={}, after_seconds=1, stream_resumable=True)
    passing = await sdk.runs.create(key, "steps", input={}, stream_resumable=True)
    await following
    done = [frame.data["run_id"] for frame in seen.frames if frame.data.get("status") == "run_done"]
    assert done == [passing["run_id"], delayed["run_id"]]
    ids = [int(frame.id or 0) for frame in seen.frames]
    assert ids == sorted(set(ids))


class Following:
    """A reader of a thread's stream, until it has seen so many runs end."""

    def __init__(self, raw: httpx.AsyncClient, thread_id: str, runs: int) -> None:
        self._raw = raw
        self._path = f"/threads/{thread_id}/stream"
        self._runs = runs
        self.frames: list[Frame] = []
        self.connected = False

    async def read(self, query: dict[str, Any], last_event_id: str | None = None) -> None:
        headers = {} if last_event_id is None else {"last-event-id": last_event_id}
        ended = 0
        async with self._raw.stream("GET", self._path, params=query, headers=headers) as response:
            self.connected = response.status_code == 200
            async for frame in read(response):
                self.frames.append(frame)
                ended += frame.event == "metadata" and frame.data.get("status") == "run_done"
                if ended == self._runs:
                    return
