"""Runs through the SDK: started, waited for, listed, joined, deleted; on a thread or on one of their own."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError

from tests.api.sdk import Sdk
from tests.api.waiting import until
from tests.api_requirements import requirement

ECHO: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}
LONG = {"steps": 1000, "seconds": 0.05}


async def new_thread(sdk: Sdk) -> str:
    return str((await sdk.threads.create())["thread_id"])


async def running(sdk: Sdk, key: str, **options: Any) -> str:
    """A run that will not end by itself, and has begun."""
    run = await sdk.runs.create(key, "slow", input=LONG, **options)
    await until(lambda: sdk.threads.get(key), lambda thread: bool(thread["values"] and thread["values"].get("done")))
    return str(run["run_id"])


@requirement("runs.create")
async def test_a_background_run_is_a_record_at_once_and_ends_by_itself(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    created: list[Any] = []
    run = await sdk.runs.create(
        key, "echo", input=ECHO, metadata={"m": 1}, config={"tags": ["t"]}, on_run_created=created.append
    )
    assert (run["status"], run["thread_id"], run["multitask_strategy"]) == ("pending", key, "enqueue")
    assert run["metadata"]["m"] == 1
    assert run["metadata"]["graph_id"] == "echo"  # the run's own record, as the API has it
    assert (run["kwargs"]["input"], run["kwargs"]["config"]["tags"]) == (ECHO, ["t"])
    assert created == [{"run_id": run["run_id"], "thread_id": key}]
    assert (await sdk.runs.join(key, run["run_id"]))["messages"][-1]["content"] == "echo: hi"
    assert (await sdk.runs.get(key, run["run_id"]))["status"] == "success"
    thread = await sdk.threads.get(key)
    assert (thread["status"], thread["metadata"]["graph_id"]) == ("idle", "echo")
    assert thread["metadata"]["assistant_id"] == run["assistant_id"]
    assert UUID(run["run_id"]).version == 7


@requirement("runs.wait")
async def test_wait_answers_the_final_values(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await new_thread(sdk)
    values = await sdk.runs.wait(key, "echo", input=ECHO)
    assert [message["type"] for message in values["messages"]] == ["human", "ai"]
    answer = await raw.post(f"/threads/{key}/runs/wait", json={"assistant_id": "echo", "input": ECHO})
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.json()["messages"]) == 4


@requirement("runs.wait.error", "runs.error")
async def test_a_failed_run_tells_why_everywhere(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await new_thread(sdk)
    error = {"error": "OnPurposeError", "message": "boom on purpose"}
    answer = await raw.post(f"/threads/{key}/runs/wait", json={"assistant_id": "failing", "input": {"how": "raise"}})
    assert (answer.status_code, answer.json()) == (200, {"__error__": error})
    with pytest.raises(Exception, match="OnPurposeError: boom on purpose"):
        await sdk.runs.wait(key, "failing", input={"how": "raise"})
    values = await sdk.runs.wait(key, "failing", input={"how": "raise"}, raise_error=False)
    assert values["__error__"] == error
    run = (await sdk.runs.list(key))[0]
    assert (run["status"], run["error"]) == ("error", error)
    assert (await raw.get(f"/threads/{key}/runs/{run['run_id']}/join")).json() == {"__error__": error}
    thread = (await raw.get(f"/threads/{key}")).json()
    assert (thread["status"], thread["error"]) == ("error", error)
    parts = [part async for part in sdk.runs.stream(key, "failing", input={"how": "raise"})]
    assert ("error", error) in [(part.event, part.data) for part in parts]


@requirement("runs.list", "runs.get")
async def test_runs_are_listed_newest_first_by_status_and_in_part(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    ids = []
    for how in ("not", "raise", "not"):
        run = await sdk.runs.create(key, "failing", input={"how": how})
        await sdk.runs.join(key, run["run_id"])
        ids.append(run["run_id"])
    assert [run["run_id"] for run in await sdk.runs.list(key)] == ids[::-1]
    assert [run["run_id"] for run in await sdk.runs.list(key, status="error")] == [ids[1]]
    assert [run["run_id"] for run in await sdk.runs.list(key, limit=1, offset=1)] == [ids[1]]
    assert await sdk.runs.list(key, select=["run_id"], limit=1) == [{"run_id": ids[2]}]
    with pytest.raises(NotFoundError, match="not found"):
        await sdk.runs.get(key, str(uuid4()))
    with pytest.raises(NotFoundError):
        await sdk.runs.get(await new_thread(sdk), ids[0])
    with pytest.raises(UnprocessableEntityError):
        await sdk.runs.get(key, "mine")


@requirement("runs.delete")
async def test_a_deleted_run_is_stopped_first_and_its_thread_is_free(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    run_id = await running(sdk, key)
    await sdk.runs.delete(key, run_id)
    with pytest.raises(NotFoundError):
        await sdk.runs.get(key, run_id)
    thread = await sdk.threads.get(key)
    assert (thread["status"], thread["error"], thread["interrupts"]) == ("idle", None, {})
    done = await sdk.runs.wait(key, "slow", input={"steps": 1, "seconds": 0})
    assert done["done"] == [0]


@requirement("runs.delete")
async def test_a_deleted_run_takes_its_checkpoints_along(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    await sdk.runs.wait(key, "echo", input=ECHO)
    before = await sdk.threads.get_history(key, limit=100)
    run = await sdk.runs.create(key, "echo", input=ECHO)
    await sdk.runs.join(key, run["run_id"])
    await sdk.runs.delete(key, run["run_id"])
    assert await sdk.threads.get_history(key, limit=100) == before


@requirement("runs.delete")
async def test_a_thread_stands_where_the_runs_that_are_left_have_brought_it(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    first = await sdk.runs.create(key, "asking", input={})
    await sdk.runs.join(key, first["run_id"])
    asked = await sdk.threads.get(key)
    second = await sdk.runs.create(key, "asking", command={"resume": "yes"})
    await sdk.runs.join(key, second["run_id"])
    await sdk.runs.delete(key, second["run_id"])
    thread = await sdk.threads.get(key)
    assert (thread["status"], thread["interrupts"]) == ("interrupted", asked["interrupts"])
    await sdk.runs.delete(key, first["run_id"])
    thread = await sdk.threads.get(key)
    assert (thread["status"], thread["interrupts"]) == ("idle", {})


@requirement("runs.join")
async def test_many_can_join_one_run_before_and_after_its_end(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await new_thread(sdk)
    run = await sdk.runs.create(key, "slow", input={"steps": 3, "seconds": 0.02})
    joined = await asyncio.gather(*(sdk.runs.join(key, run["run_id"]) for _ in range(4)))
    late = await sdk.runs.join(key, run["run_id"])
    assert [values["done"] for values in (*joined, late)] == [[0, 1, 2]] * 5
    await sdk.runs.wait(key, "slow", input={"steps": 4, "seconds": 0})
    # A later run has moved the thread on; what the first one answers stays what it was.
    assert (await sdk.runs.join(key, run["run_id"]))["done"] == [0, 1, 2]
    assert (await raw.get(f"/threads/{key}/runs/{uuid4()}/join")).status_code == 404


@requirement("runs.stateless")
async def test_a_run_without_a_thread_leaves_none_behind(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    answer = await raw.post("/runs/wait", json={"assistant_id": "echo", "input": ECHO})
    assert answer.json()["messages"][-1]["content"] == "echo: hi"
    run = await sdk.runs.create(None, "echo", input=ECHO)
    await until(lambda: raw.get(f"/threads/{run['thread_id']}"), lambda found: found.status_code == 404)
    kept = await sdk.runs.create(None, "echo", input=ECHO, on_completion="keep")
    await sdk.runs.join(kept["thread_id"], kept["run_id"])
    assert (await sdk.threads.get(kept["thread_id"]))["values"]["messages"][-1]["content"] == "echo: hi"


@requirement("runs.stateless.location")
async def test_the_location_of_a_stateless_run_can_be_joined(raw: httpx.AsyncClient) -> None:
    body = {"assistant_id": "slow", "input": {"steps": 5, "seconds": 0.1}, "stream_resumable": True}
    async with raw.stream("POST", "/runs/stream", json=body) as first:
        location = first.headers["location"]
        assert location == f"{first.headers['content-location']}/stream"
        rest = await raw.get(location, headers={"last-event-id": "-1"})
        assert rest.status_code == 200
        own = await first.aread()
    late = await raw.get(location, headers={"last-event-id": "-1"})
    assert late.content == own
    values = (await raw.get(location.removesuffix("stream") + "join")).json()
    assert values["done"] == [0, 1, 2, 3, 4]
    assert rest.content.replace(b": heartbeat\r\n\r\n", b"") == own.replace(b": heartbeat\r\n\r\n", b"")
    assert b"event: end" in own


@requirement("runs.batch")
async def test_a_batch_starts_all_or_none(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    runs = await sdk.runs.create_batch([{"assistant_id": "echo", "input": ECHO} for _ in range(3)])
    assert len({run["thread_id"] for run in runs}) == 3
    mixed = await raw.post("/runs/batch", json=[{"assistant_id": "echo"}, {"assistant_id": "no-such-graph"}])
    assert mixed.status_code == 404


@requirement("runs.refused")
async def test_a_run_that_cannot_be_is_refused_before_it_is_accepted(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = await new_thread(sdk)

    async def refused(thread: str = key, **body: Any) -> tuple[int, str]:
        answer = await raw.post(f"/threads/{thread}/runs", json={"assistant_id": "steps", **body})
        return answer.status_code, answer.json()["detail"]

    assert (await refused(assistant_id="no-such-graph"))[0] == 404
    assert (await refused(assistant_id=str(uuid4())))[0] == 404
    assert (await refused(thread=str(uuid4())))[0] == 404
    assert (await refused(thread="mine"))[0] == 422
    status, detail = await refused(interrupt_before=["no-such-node"])
    assert (status, "first, second, shout, third" in detail) == (422, True)
    status, detail = await refused(stream_mode=["values", "no-such-mode"])
    assert (status, "no-such-mode" in detail) == (422, True)
    assert (await refused(checkpoint_id=str(uuid4())))[0] == 404
    assert (await refused(multitask_strategy="queue"))[0] == 422
    assert (await refused(command={"goto": "no-such-node"}))[0] == 422
    assert (await refused(after_seconds=-1))[0] == 422
    assert (await refused(assistant_id="configured", context={"no_such_field": 1}))[0] == 422
    assert (await raw.post(f"/threads/{key}/runs", json={})).status_code == 422
    assert (await raw.post(f"/threads/{key}/runs", content=b"{not json")).status_code == 422
    assert await sdk.runs.list(key) == []
    assert (await sdk.threads.get(key))["status"] == "idle"


@requirement("runs.if_not_exists")
async def test_a_missing_thread_is_made_if_asked(sdk: Sdk) -> None:
    wanted = str(uuid4())
    with pytest.raises(NotFoundError):
        await sdk.runs.create(wanted, "echo", input=ECHO)
    await sdk.runs.wait(wanted, "echo", input=ECHO, if_not_exists="create")
    assert (await sdk.threads.get(wanted))["thread_id"] == wanted


@requirement("runs.after_seconds")
async def test_a_delayed_run_waits_for_its_time_and_holds_nobody_up(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    later = await sdk.runs.create(key, "echo", input=ECHO, after_seconds=3600)
    soon = await sdk.runs.create(key, "echo", input=ECHO, after_seconds=1)
    assert (await sdk.runs.join(key, soon["run_id"]))["messages"]
    assert (await sdk.runs.get(key, later["run_id"]))["status"] == "pending"
    await sdk.runs.cancel(key, later["run_id"])
    assert (await sdk.runs.get(key, later["run_id"]))["status"] == "interrupted"


@requirement("runs.unknown_fields")
@pytest.mark.parametrize(
    "content_type", ["text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "image/gif", ""]
)
async def test_fields_of_other_servers_and_nulls_are_accepted(
    raw: httpx.AsyncClient, sdk: Sdk, content_type: str
) -> None:
    key = await new_thread(sdk)
    body = {
        "assistant_id": "echo",
        "input": ECHO,
        "command": None,
        "checkpoint": {"checkpoint_id": None, "checkpoint_ns": "", "checkpoint_map": None},
        "feedback_keys": ["liked"],
        "langsmith_tracer": {"project_name": "x"},
        "strict_resume": True,
        "multitaskStrategy": "reject",
        "metadata": None,
        "config": None,
        "streamMode": ["values"],
    }
    answer = await raw.post(
        f"/threads/{key}/runs/wait", content=httpx.Request("POST", "http://x", json=body).content,
        headers={"content-type": content_type},
    )  # fmt: skip
    assert answer.json()["messages"][-1]["content"] == "echo: hi"


@requirement("runs.durability")
async def test_durability_exit_keeps_one_checkpoint_of_a_run(sdk: Sdk) -> None:
    counts = {}
    for durability in ("exit", "async", "sync"):
        key = await new_thread(sdk)
        await sdk.runs.wait(key, "steps", input={"note": "x"}, durability=durability)
        counts[durability] = len(await sdk.threads.get_history(key, limit=100))
    assert counts == {"exit": 1, "async": 5, "sync": 5}


@requirement("runs.config")
async def test_a_runs_configuration_reaches_its_nodes(sdk: Sdk) -> None:
    key = await new_thread(sdk)
    run = await sdk.runs.create(
        key, "configured", input={}, config={"configurable": {"mine": 1, "tone": "older"}, "recursion_limit": 5}
    )
    seen = (await sdk.runs.join(key, run["run_id"]))["seen"]
    system_id = str(uuid5(UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8"), "configured"))
    assert (seen["mine"], seen["thread_id"], seen["run_id"]) == (1, key, run["run_id"])
    assert (seen["graph_id"], seen["assistant_id"]) == ("configured", system_id)
    limited = await sdk.runs.wait(
        await new_thread(sdk), "slow", input=LONG | {"seconds": 0}, config={"recursion_limit": 3}, raise_error=False
    )
    assert limited["__error__"]["error"] == "GraphRecursionError"


@requirement("runs.config.metadata")
async def test_metadata_of_assistant_and_configuration_reach_nodes_and_checkpoints(sdk: Sdk) -> None:
    assistant = await sdk.assistants.create(
        "wide",
        config={"metadata": {"from_config": 1, "both": "assistant"}},
        metadata={"team": "support", "both": "its description", "from_config": 0},
    )
    key = await new_thread(sdk)
    given = {"both": "request", "run_id": "forged", "thread_id": "forged", "langgraph_auth_user_id": "forged"}
    run = await sdk.runs.create(
        key, assistant["assistant_id"], input={}, config={"metadata": given}, metadata={"of_the_run": True}
    )
    told = (await sdk.runs.join(key, run["run_id"]))["told"]
    expected = {"from_config": 1, "both": "request", "team": "support", "of_the_run": True, "graph_id": "wide"}
    ids = {"run_id": run["run_id"], "thread_id": key, "assistant_id": assistant["assistant_id"]}
    assert told | expected | ids == told
    assert "langgraph_auth_user_id" not in told
    of_checkpoint = (await sdk.threads.get_state(key))["metadata"]
    assert of_checkpoint | expected | {"run_id": run["run_id"]} == of_checkpoint
    # Kept with the run, so that every attempt has the same.
    kept = (await sdk.runs.get(key, run["run_id"]))["kwargs"]["config"]["metadata"]
    assert kept | {"from_config": 1, "both": "request", "team": "support"} == kept


@requirement("runs.config.concurrency")
async def test_max_concurrency_of_request_or_assistant_bounds_the_tasks_of_a_run(sdk: Sdk) -> None:
    free = await sdk.runs.wait(None, "wide", input={})
    assert free["together"] == 6
    bounded = await sdk.runs.wait(None, "wide", input={}, config={"max_concurrency": 2})
    assert bounded["together"] == 2
    careful = await sdk.assistants.create("wide", config={"max_concurrency": 1})
    assert (await sdk.runs.wait(None, careful["assistant_id"], input={}))["together"] == 1
    asked = await sdk.runs.wait(None, careful["assistant_id"], input={}, config={"max_concurrency": 3})
    assert asked["together"] == 3


@requirement("runs.config.wrong")
@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"metadata": "text"}, "metadata must be an object"),
        ({"metadata": ["a"]}, "metadata must be an object"),
        ({"max_concurrency": 0}, "max_concurrency must be a whole number of at least 1"),
        ({"max_concurrency": "2"}, "max_concurrency must be a whole number of at least 1"),
        ({"max_concurrency": True}, "max_concurrency must be a whole number of at least 1"),
        ({"recursion_limit": 0}, "recursion_limit must be a whole number of at least 1"),
    ],
)
async def test_a_wrong_configuration_is_refused_wherever_one_is_taken(
    sdk: Sdk, raw: httpx.AsyncClient, config: dict[str, Any], words: str
) -> None:
    assistant = (await sdk.assistants.create("wide"))["assistant_id"]
    cron = await sdk.crons.create("wide", schedule="0 0 1 1 *", input={}, enabled=False)
    for method, path, body in (
        ("POST", "/runs/wait", {"assistant_id": "wide", "input": {}}),
        ("POST", "/assistants", {"graph_id": "wide"}),
        ("PATCH", f"/assistants/{assistant}", {}),
        ("POST", "/runs/crons", {"assistant_id": "wide", "input": {}, "schedule": "0 0 1 1 *"}),
        ("PATCH", f"/runs/crons/{cron['cron_id']}", {}),
    ):
        refused = await raw.request(method, path, json={**body, "config": config})
        assert (refused.status_code, words in refused.json()["detail"]) == (422, True), (path, refused.text)


@requirement("runs.factory")
async def test_a_factory_makes_its_graph_from_the_runs_configuration(sdk: Sdk) -> None:
    done = await sdk.runs.wait(None, "factory", input={}, config={"configurable": {"name": "ada"}})
    assert done == {"greeting": "hello ada"}
    kept = await new_thread(sdk)
    await sdk.runs.wait(kept, "factory", input={}, config={"configurable": {"name": "ada"}})
    assert (await sdk.threads.get(kept))["values"] == {"greeting": "hello ada"}


@requirement("runs.factory.forms")
@pytest.mark.parametrize("name", ["plain_factory", "managed_factory", "runtime_factory"])
async def test_every_form_of_factory_is_served(sdk: Sdk, name: str) -> None:
    done: Any = await sdk.runs.wait(None, name, input={}, context={"tone": "warm"})
    assert done["made_by"] == name
    if name == "runtime_factory":
        assert (done["access"], done["tone"]) == ("threads.create_run", "warm")
    assert {"tell"} <= {node["id"] for node in (await sdk.assistants.get_graph(name))["nodes"]}
    key = await new_thread(sdk)
    await sdk.runs.wait(key, name, input={}, context={"tone": "dry"})
    assert (await sdk.threads.get_state(key))["values"] == (await sdk.threads.get(key))["values"]
