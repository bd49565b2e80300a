"""The thread protocol's events and commands as they stand on the wire: replay, gaps, filters, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.api.frames import Frame, read
from tests.api.waiting import SECONDS, until
from tests.api_requirements import requirement
from tests.processes import TRIAL_PROJECT, running_server

ALL = ["values", "updates", "messages", "tools", "lifecycle", "input", "checkpoints", "tasks", "custom"]


def ended(frame: Frame) -> bool:
    params = frame.data.get("params", {})
    over = ("completed", "failed", "interrupted")
    return frame.event == "lifecycle" and not params["namespace"] and params["data"]["event"] in over


def failed_stream(frame: Frame) -> bool:
    return frame.event == "error"


async def events(
    raw: httpx.AsyncClient, thread_id: str, until_frame: Callable[[Frame], bool] = ended, **asked: Any
) -> list[Frame]:
    """What a reader is shown, up to a frame."""
    found: list[Frame] = []
    async with (
        asyncio.timeout(SECONDS),
        raw.stream("POST", f"/threads/{thread_id}/stream/events", json={"channels": ALL, **asked}) as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        async for frame in read(response):
            found.append(frame)
            if until_frame(frame):
                break
    return found


async def command(raw: httpx.AsyncClient, thread_id: str, method: str, **params: Any) -> Any:
    answer = await raw.post(f"/threads/{thread_id}/commands", json={"id": 7, "method": method, "params": params})
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == 7
    return answer.json()


async def ran(raw: httpx.AsyncClient, assistant_id: str, given: Any, thread_id: str | None = None) -> tuple[str, Any]:
    """A thread on which a run has come to its end or its question, and what its start was answered."""
    thread_id = thread_id or str(uuid4())
    started = await command(raw, thread_id, "run.start", assistant_id=assistant_id, input=given)
    await raw.get(f"/threads/{thread_id}/runs/{started['result']['run_id']}/join")
    return thread_id, started


@requirement("protocol.replay")
async def test_whoever_comes_back_anywhere_gets_the_same_events_once(raw: httpx.AsyncClient) -> None:
    thread_id = str(uuid4())
    live, _ = await asyncio.gather(
        events(raw, thread_id), ran(raw, "announcing", {"messages": "one"}, thread_id)
    )  # a stream may be opened before its thread exists
    whole = await events(raw, thread_id)
    assert whole == live
    assert [frame.id for frame in whole] == [str(frame.data["seq"]) for frame in whole]
    for place in range(0, len(whole) - 1, 5):
        assert await events(raw, thread_id, since=whole[place].data["seq"]) == whole[place + 1 :]
    _, second = await ran(raw, "announcing", {"messages": "two"}, thread_id)
    begun = second["meta"]["applied_through_seq"]
    new = await events(raw, thread_id, since=begun)
    assert new[0].data["event_id"] == f"synth:{second['result']['run_id']}:{new[0].data['seq']}"
    assert whole[-1].data["seq"] < begun < new[0].data["seq"]
    ends = await events(raw, thread_id, lambda frame: frame == new[-1], channels=["lifecycle"])
    assert [frame.data["params"]["data"]["event"] for frame in ends] == ["running", "completed"] * 2


@requirement("protocol.tasks")
async def test_a_tasks_input_is_shown_unless_it_is_very_large(raw: httpx.AsyncClient) -> None:
    for size, shown in ((10, True), (40_000, False)):
        thread_id, _ = await ran(raw, "steps", {"note": "x" * size})
        found = await events(raw, thread_id, channels=["tasks", "lifecycle"])
        begun = next(frame.data["params"]["data"] for frame in found if frame.event == "tasks")
        assert (begun["input"] is not None, begun.get("input_bytes_left_out", 0) > size) == (shown, not shown)


@requirement("protocol.filter")
async def test_a_reader_gets_the_channels_namespaces_and_depth_it_asked_for(raw: httpx.AsyncClient) -> None:
    thread_id, _ = await ran(raw, "nested", {"text": "plain"})
    whole = await events(raw, thread_id)
    inner = next(frame.data["params"]["namespace"] for frame in whole if frame.data["params"]["namespace"])

    async def seen(**asked: Any) -> set[tuple[str, ...]]:
        asked = {"channels": ["values", "updates"], **asked}
        found = await events(raw, thread_id, ended, **{**asked, "channels": [*asked["channels"], "lifecycle"]})
        return {tuple(frame.data["params"]["namespace"]) for frame in found if frame.event in asked["channels"]}

    assert await seen() == {(), tuple(inner)}
    assert await seen(namespaces=[[]], depth=0) == {()}
    narrow = {"channels": ["updates", "lifecycle"], "namespaces": [["sub"], inner]}
    found = await events(
        raw, thread_id, lambda frame: frame.data["params"]["data"].get("event") == "completed", **narrow
    )
    assert {tuple(frame.data["params"]["namespace"]) for frame in found} == {tuple(inner)}
    for asked in ({"channels": ["nonsense"]}, {"channels": ["custom:"]}):
        refused = await raw.post(f"/threads/{thread_id}/stream/events", json=asked)
        assert (refused.status_code, "do not exist; use" in refused.json()["detail"]) == (400, True)
    assert (await raw.post(f"/threads/{thread_id}/stream/events", json={"channels": []})).status_code == 422
    assert (await raw.post("/threads/none/stream/events", json={"channels": ALL})).status_code == 422


@requirement("protocol.older_runs")
async def test_runs_that_were_started_otherwise_are_shown_as_far_as_they_are_kept(raw: httpx.AsyncClient) -> None:
    thread_id = (await raw.post("/threads", json={})).json()["thread_id"]
    body = {"assistant_id": "asking", "input": {"topic": "tea"}}
    await raw.post(f"/threads/{thread_id}/runs/wait", json=body)
    passed = await events(raw, thread_id)
    assert [frame.event for frame in passed] == ["input.requested", "lifecycle"]
    assert passed[0].data["params"]["data"]["payload"] == {"question": "first about tea?"}
    body = {"assistant_id": "talkative", "input": {"messages": "hi"}, "stream_mode": ["values", "messages-tuple"]}
    other = (await raw.post("/threads", json={})).json()["thread_id"]
    await raw.post(f"/threads/{other}/runs/wait", json={**body, "stream_resumable": True})
    kept = await events(raw, other)
    assert {frame.event for frame in kept} == {"values", "messages", "lifecycle"}


@requirement("protocol.gap")
async def test_a_reader_that_comes_back_too_late_is_told_so(tmp_path: Path) -> None:
    environment = {"EVENT_BYTES_PER_THREAD": "1", "SWEEP_SECONDS": "0.05"}
    with running_server(tmp_path / "data", config=TRIAL_PROJECT, environment=environment) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as raw:
            thread_id, first = await ran(raw, "steps", {"note": "x"})

            async def left() -> list[Frame]:
                return await events(raw, thread_id)

            (end,) = await until(left, lambda found: len(found) == 1)
            last = end.data["seq"]
            (gap,) = await events(raw, thread_id, failed_stream, since=first["meta"]["applied_through_seq"] + 100)
            assert (gap.event, gap.data["error"], gap.data["id"]) == ("error", "resume_gap", None)
            assert gap.data["meta"] == {"min_available_seq": last}
            # Nothing is missing after that end: what follows it is shown.
            new, _ = await asyncio.gather(
                events(raw, thread_id, since=last), ran(raw, "steps", {"note": "y"}, thread_id)
            )
            assert new[0].data["params"]["data"]["event"] == "running"
            (gap,) = await events(raw, thread_id, failed_stream, since=new[-1].data["seq"] + 1_000_000_000)
            assert gap.data["error"] == "resume_gap"  # a number that was never given out


@requirement("protocol.pruned")
async def test_a_thread_whose_old_checkpoints_are_gone_is_still_shown(raw: httpx.AsyncClient) -> None:
    thread_id, _ = await ran(raw, "steps", {"note": "x"})
    before = await events(raw, thread_id)
    pruned = await raw.post("/threads/prune", json={"thread_ids": [thread_id], "strategy": "keep_latest"})
    assert pruned.status_code == 200
    after = await events(raw, thread_id)
    gone = [frame for frame in before if frame not in after]
    assert {frame.event for frame in gone} == {"values"}
    assert [frame for frame in before if frame not in gone] == after
    assert [frame.event for frame in after].count("values") == 1


@requirement("protocol.restart")
async def test_a_reader_goes_on_where_it_was_after_a_crash(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", config=TRIAL_PROJECT) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as raw:
            thread_id = str(uuid4())
            given = {"steps": 4, "seconds": 0.3}
            await command(raw, thread_id, "run.start", assistant_id="slow", input=given)
            before = await events(raw, thread_id, lambda frame: frame.event == "updates")
        server.kill()
        server.restart()
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as raw:
            after = await events(raw, thread_id, since=before[-1].data["seq"])
            whole = await events(raw, thread_id)
    assert whole == [*before, *after]
    status = [frame.data["params"]["data"]["event"] for frame in whole if frame.event == "lifecycle"]
    assert status == ["running", "running", "completed"]
    assert [frame for frame in whole if frame.event == "values"][-1].data["params"]["data"]["done"] == [0, 1, 2, 3]


@requirement("protocol.refusals")
async def test_a_command_that_cannot_be_carried_out_is_refused_in_words(raw: httpx.AsyncClient) -> None:
    thread_id = str(uuid4())
    start = {"assistant_id": "asking", "input": {"topic": "tea"}}
    for method, params, code in (
        ("input.inject", {"namespace": [], "message": {"role": "user", "content": "hi"}}, "not_supported"),
        ("subscription.subscribe", {"channels": ["values"]}, "not_supported"),
        ("run.stop", {}, "unknown_command"),
        ("run.start", {}, "invalid_argument"),
        ("run.start", {**start, "assistant_id": "nobody"}, "invalid_argument"),
        ("run.start", {**start, "config": {"recursion_limit": 0}}, "invalid_argument"),
        ("input.respond", {"namespace": [], "interrupt_id": "x", "response": 1}, "no_such_interrupt"),
        ("input.respond", {"namespace": []}, "invalid_argument"),
        ("agent.getTree", {}, "no_such_run"),
        ("state.get", {"namespace": []}, "no_such_thread"),
        ("state.fork", {"checkpoint_id": "x"}, "no_such_checkpoint"),
    ):
        answer = await command(raw, thread_id, method, **params)
        assert (answer["type"], answer["error"], bool(answer["message"])) == ("error", code, True), method
    assert (await raw.get(f"/threads/{thread_id}")).status_code == 404  # nothing of that has made it
    for body in ({}, {"id": -1, "method": "run.start"}, []):
        assert (await raw.post(f"/threads/{thread_id}/commands", json=body)).status_code == 422


@requirement("protocol.respond")
async def test_an_interrupt_is_answered_once_alone_or_with_others_or_by_a_start(raw: httpx.AsyncClient) -> None:
    thread_id, _ = await ran(raw, "asking", {"topic": "tea"})
    (asked,) = [frame.data["params"] for frame in await events(raw, thread_id) if frame.event == "input.requested"]
    answer = {"namespace": asked["namespace"], "interrupt_id": asked["data"]["interrupt_id"], "response": "green"}
    begun = (await command(raw, thread_id, "input.respond", responses=[answer], metadata={"by": "ada"}))["result"]
    again = await command(raw, thread_id, "input.respond", **answer)
    assert again.get("error") == "no_such_interrupt"
    await raw.get(f"/threads/{thread_id}/runs/{begun['run_id']}/join")
    seen = await events(raw, thread_id, ended, since=(await events(raw, thread_id))[-1].data["seq"])
    (told,) = [frame.data["params"]["data"] for frame in seen if frame.event == "input.answered"]
    assert told == {"interrupt_ids": [answer["interrupt_id"]]}
    # On a thread that waits, the input of run.start is the answer, as the protocol has it.
    await ran(raw, "asking", "yes", thread_id)
    values = (await raw.get(f"/threads/{thread_id}/state")).json()["values"]
    assert values == {"topic": "tea", "first": "green", "second": "yes"}
    run = (await raw.get(f"/threads/{thread_id}/runs/{begun['run_id']}")).json()
    assert run["metadata"]["by"] == "ada"


@requirement("protocol.state")
async def test_state_checkpoints_forks_and_the_tree_are_commands_too(raw: httpx.AsyncClient) -> None:
    thread_id, _ = await ran(raw, "nested", {"text": "sure?"})
    got = (await command(raw, thread_id, "state.get", namespace=[]))["result"]
    rest = (await raw.get(f"/threads/{thread_id}/state")).json()
    assert (got["values"], got["checkpoint"]) == (
        rest["values"],
        {"id": rest["checkpoint"]["checkpoint_id"], "ns": ""},
    )
    assert (await command(raw, thread_id, "state.get", namespace=[], keys=["none"]))["result"]["values"] == {}
    tree = (await command(raw, thread_id, "agent.getTree"))["result"]["tree"]
    (child,) = tree["children"]
    assert (tree["status"], tree["graph_name"], child["status"]) == ("interrupted", "nested", "interrupted")
    inside = (await command(raw, thread_id, "state.get", namespace=child["namespace"], keys=["secret"]))["result"]
    assert inside["values"] == {"secret": "inner sure?"}
    nowhere = await command(raw, thread_id, "state.get", namespace=["nowhere:1"])
    assert nowhere["error"] == "no_such_namespace"

    listed = (await command(raw, thread_id, "state.listCheckpoints", limit=1))["result"]["checkpoints"]
    older = (await command(raw, thread_id, "state.listCheckpoints", before=listed[0]["id"]))["result"]["checkpoints"]
    history = (await raw.get(f"/threads/{thread_id}/history")).json()
    assert [item["id"] for item in [*listed, *older]] == [state["checkpoint"]["checkpoint_id"] for state in history]
    assert [(item["step"], item["timestamp"]) for item in listed] == [(0, rest["created_at"])]

    forked = (await command(raw, thread_id, "state.fork", checkpoint_id=older[-1]["id"], input={"text": "plain"}))[
        "result"
    ]
    await raw.get(f"/threads/{thread_id}/runs/{forked['run_id']}/join")
    assert forked["thread_id"] == thread_id
    values = (await command(raw, thread_id, "state.get", namespace=[]))["result"]["values"]
    assert values == {"text": "inner plain yes"}
    tree = (await command(raw, thread_id, "agent.getTree", run_id=forked["run_id"]))["result"]["tree"]
    assert (tree["status"], [node["status"] for node in tree["children"]]) == ("completed", ["completed"])
