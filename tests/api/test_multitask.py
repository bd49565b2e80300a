"""Runs that meet on one thread: reject, enqueue, interrupt, rollback; and cancelling, one or many."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import ConflictError, NotFoundError

from tests.api.sdk import Sdk
from tests.api.waiting import until
from tests.api_requirements import requirement
from tests.processes import TRIAL_PROJECT, running_server

LONG: dict[str, Any] = {"steps": 1000, "seconds": 0.05}
SHORT: dict[str, Any] = {"steps": 1, "seconds": 0}
ACTIVE = ("pending", "running")


async def busy_thread(sdk: Sdk) -> tuple[str, str]:
    """A thread with a run that has begun and will not end by itself."""
    key = (await sdk.threads.create())["thread_id"]
    run = await sdk.runs.create(key, "slow", input=LONG)
    await until(lambda: sdk.threads.get(key), lambda thread: bool((thread["values"] or {}).get("done")))
    return key, run["run_id"]


async def ended(sdk: Sdk, key: str, run_id: str) -> str:
    run = await until(lambda: sdk.runs.get(key, run_id), lambda found: found["status"] not in ACTIVE)
    return str(run["status"])


@requirement("multitask.reject")
async def test_reject_refuses_while_another_run_is_active(sdk: Sdk) -> None:
    key, run_id = await busy_thread(sdk)
    with pytest.raises(ConflictError, match="Thread is already running a task"):
        await sdk.runs.create(key, "slow", input=SHORT, multitask_strategy="reject")
    assert len(await sdk.runs.list(key)) == 1
    await sdk.runs.cancel(key, run_id, wait=True)
    done: Any = await sdk.runs.wait(key, "slow", input={"steps": 0, "seconds": 0}, multitask_strategy="reject")
    assert done["done"]


@requirement("multitask.enqueue")
async def test_enqueued_runs_wait_and_go_in_order(sdk: Sdk) -> None:
    key = (await sdk.threads.create())["thread_id"]
    runs = [await sdk.runs.create(key, "echo", input={"messages": str(number)}) for number in range(8)]
    await asyncio.gather(*(sdk.runs.join(key, run["run_id"]) for run in runs))
    messages: Any = (await sdk.threads.get(key))["values"]["messages"]
    assert [message["content"] for message in messages[::2]] == [str(number) for number in range(8)]
    assert [message["content"] for message in messages[1::2]] == [f"echo: {number}" for number in range(8)]


@requirement("multitask.interrupt")
async def test_interrupt_stops_the_other_run_and_goes_on_from_what_it_did(sdk: Sdk) -> None:
    key, first = await busy_thread(sdk)
    waiting = await sdk.runs.create(key, "slow", input=LONG)
    done: Any = await sdk.runs.wait(key, "slow", input=SHORT, multitask_strategy="interrupt")
    assert done["done"][0] == 0
    assert await ended(sdk, key, first) == await ended(sdk, key, waiting["run_id"]) == "interrupted"
    assert (await sdk.threads.get(key))["status"] == "idle"


@requirement("multitask.rollback")
async def test_rollback_undoes_the_other_run_as_if_it_had_never_been(sdk: Sdk) -> None:
    key = (await sdk.threads.create())["thread_id"]
    await sdk.runs.wait(key, "slow", input=SHORT)
    before = await sdk.threads.get_history(key, limit=100)
    first = await sdk.runs.create(key, "slow", input={"steps": 1000, "seconds": 0.05})
    await until(lambda: sdk.threads.get(key), lambda thread: len((thread["values"] or {}).get("done", [])) > 1)
    done: Any = await sdk.runs.wait(key, "slow", input={"steps": 3, "seconds": 0}, multitask_strategy="rollback")
    assert done["done"] == [0, 1, 2]
    with pytest.raises(NotFoundError):
        await sdk.runs.get(key, first["run_id"])
    history = await sdk.threads.get_history(key, limit=100)
    assert history[-len(before) :] == before
    assert all(state["metadata"].get("run_id") != first["run_id"] for state in history)


@pytest.mark.fault(27)
@requirement("multitask.together")
@pytest.mark.parametrize("strategy", ["enqueue", "interrupt", "rollback", "reject"])
async def test_runs_that_start_together_leave_one_true_thread(sdk: Sdk, strategy: Any) -> None:
    key = (await sdk.threads.create())["thread_id"]
    given = [{"messages": [{"role": "user", "content": str(number), "id": f"m{number}"}]} for number in range(6)]
    started = await asyncio.gather(
        *(sdk.runs.create(key, "echo", input=one, multitask_strategy=strategy) for one in given),
        return_exceptions=True,
    )
    accepted = [run for run in started if not isinstance(run, BaseException)]
    assert all(isinstance(run, ConflictError) for run in started if isinstance(run, BaseException))
    assert accepted
    await until(lambda: sdk.threads.get(key), lambda thread: thread["status"] != "busy")
    runs = await sdk.runs.list(key, limit=100)
    assert {run["status"] for run in runs} <= {"success", "interrupted"}
    succeeded = [run for run in runs if run["status"] == "success"]
    messages: Any = (await sdk.threads.get(key))["values"]["messages"]
    answers = [message["content"] for message in messages if message["type"] == "ai"]
    assert len(answers) >= len(succeeded) >= 1
    if strategy in ("enqueue", "reject"):
        assert len(succeeded) == len(answers) == len(accepted)
    if strategy == "rollback":
        assert len(succeeded) == len(runs) == len(answers)


@pytest.mark.fault(26)
@requirement("cancel.interrupt")
async def test_a_cancelled_run_stops_and_keeps_what_it_did(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key, run_id = await busy_thread(sdk)
    answer = await raw.post(f"/threads/{key}/runs/{run_id}/cancel?wait=1&action=interrupt")
    assert (answer.status_code, answer.json()) == (200, {})
    assert (await sdk.runs.get(key, run_id))["status"] == "interrupted"
    thread: Any = (await raw.get(f"/threads/{key}")).json()
    assert (thread["status"], thread["error"]["error"]) == ("interrupted", "UserInterrupt")
    assert thread["values"]["done"]
    assert (await raw.get(f"/threads/{key}/runs/{run_id}/join")).json() == {}
    over = await raw.post(f"/threads/{key}/runs/{run_id}/cancel")
    assert (over.status_code, "detail" in over.json()) == (404, True)
    await sdk.runs.wait(key, "slow", input={"steps": 0, "seconds": 0})


@requirement("cancel.reason")
async def test_a_cancelled_run_says_why(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key, run_id = await busy_thread(sdk)
    waiting = await sdk.runs.create(key, "slow", input=LONG)
    assert (await sdk.runs.get(key, run_id))["cancel_reason"] is None
    for each in (waiting["run_id"], run_id):
        refused = await raw.post(f"/threads/{key}/runs/{each}/cancel?reason=taken&action=rollback")
        assert refused.status_code == 422
        taken = await raw.post(f"/threads/{key}/runs/{each}/cancel?wait=1&reason=taken")
        assert taken.status_code == 200
        assert (await sdk.runs.get(key, each))["cancel_reason"].startswith("taken:")
    key, run_id = await busy_thread(sdk)
    newer = await sdk.runs.create(key, "slow", input={"steps": 0, "seconds": 0}, multitask_strategy="interrupt")
    await sdk.runs.join(key, newer["run_id"])
    assert newer["run_id"] in (await sdk.runs.get(key, run_id))["cancel_reason"]


@requirement("cancel.rollback")
async def test_a_rolled_back_run_is_gone_with_its_checkpoints(sdk: Sdk) -> None:
    key = (await sdk.threads.create())["thread_id"]
    await sdk.runs.wait(key, "slow", input=SHORT)
    before: Any = await sdk.threads.get(key)
    run = await sdk.runs.create(key, "slow", input=LONG)
    await until(lambda: sdk.threads.get(key), lambda thread: len((thread["values"] or {}).get("done", [])) > 1)
    await sdk.runs.cancel(key, run["run_id"], wait=True, action="rollback")
    with pytest.raises(NotFoundError):
        await sdk.runs.get(key, run["run_id"])
    after: Any = await until(lambda: sdk.threads.get(key), lambda thread: thread["status"] == "idle")
    assert after["values"] == before["values"]
    assert after["error"]["error"] == "UserRollback"


@requirement("cancel.pending")
async def test_a_run_that_waits_is_cancelled_at_once(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key, first = await busy_thread(sdk)
    waiting = await sdk.runs.create(key, "slow", input=LONG)
    answer = await raw.post(f"/threads/{key}/runs/{waiting['run_id']}/cancel")
    assert (answer.status_code, answer.content) == (202, b"")
    assert (await sdk.runs.get(key, waiting["run_id"]))["status"] == "interrupted"
    assert (await sdk.runs.get(key, first))["status"] == "running"
    await sdk.runs.cancel(key, first, wait=True)


@requirement("cancel.many")
async def test_many_runs_are_cancelled_at_once(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key, first = await busy_thread(sdk)
    second = (await sdk.runs.create(key, "slow", input=LONG))["run_id"]
    await sdk.runs.cancel_many(thread_id=key, run_ids=[first, second])
    assert await ended(sdk, key, first) == await ended(sdk, key, second) == "interrupted"
    assert (await raw.post("/runs/cancel", json={"thread_id": key, "run_ids": [first]})).status_code == 404
    assert (await raw.post("/runs/cancel", json={"thread_id": key, "run_ids": [str(uuid4())]})).status_code == 404
    assert (await raw.post("/runs/cancel", json={})).status_code == 422


@requirement("cancel.many")
async def test_all_active_runs_of_a_server_are_cancelled_by_status(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", config=TRIAL_PROJECT, environment={"MAX_CONCURRENT_RUNS": "1"}) as server:
        async with get_client(url=server.url, api_key=None) as client:
            key, first = await busy_thread(client)
            other = (await client.threads.create())["thread_id"]
            second = (await client.runs.create(other, "slow", input=LONG))["run_id"]
            await client.runs.cancel_many(status="pending")
            assert (await client.runs.get(other, second))["status"] == "interrupted"
            assert (await client.runs.get(key, first))["status"] == "running"
            await client.runs.cancel_many(status="all")
            assert await ended(client, key, first) == "interrupted"
            with pytest.raises(NotFoundError):
                await client.runs.cancel_many(status="running")
