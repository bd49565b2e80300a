"""Threads through the SDK: made, found, counted, changed, copied, pruned, removed."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from langgraph_sdk.errors import BadRequestError, ConflictError, NotFoundError, UnprocessableEntityError

from tests.api.sdk import Sdk
from tests.api.waiting import until
from tests.api_requirements import requirement

NO_USE = {"model_calls": 0, "input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "cost_usd": 0}
ECHO = {"messages": [{"role": "user", "content": "hi"}]}


@requirement("threads.create")
async def test_a_new_thread_is_idle_and_has_no_values(sdk: Sdk) -> None:
    made = await sdk.threads.create(metadata={"team": "a"})
    assert UUID(made["thread_id"]).version == 7
    assert (made["status"], made["values"], made["interrupts"]) == ("idle", None, {})
    assert made["metadata"] == {"team": "a"}
    assert datetime.fromisoformat(made["created_at"]).utcoffset() is not None
    found = dict(await sdk.threads.get(made["thread_id"]))
    assert found.pop("usage") == {"runs": 0, **NO_USE}
    assert found == made


@requirement("threads.create.exists")
async def test_a_taken_thread_id_is_a_conflict_unless_told_to_do_nothing(sdk: Sdk) -> None:
    wanted = str(uuid4())
    await sdk.threads.create(thread_id=wanted, metadata={"a": 1})
    with pytest.raises(ConflictError, match=f"Thread with ID {wanted} already exists"):
        await sdk.threads.create(thread_id=wanted)
    kept = await sdk.threads.create(thread_id=wanted, metadata={"b": 2}, if_exists="do_nothing")
    assert kept["metadata"] == {"a": 1}


@requirement("threads.ids")
async def test_thread_ids_are_uuids_and_unknown_ones_are_not_found(raw: httpx.AsyncClient) -> None:
    for path in ("/threads/mine", "/threads/mine/state", "/threads/mine/history", "/threads/mine/runs"):
        answer = await raw.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (422, "Invalid thread ID: must be a UUID")
    unknown = str(uuid4())
    for path in ("", "/state", "/history", "/runs", "/storage", "/stream"):
        answer = await raw.get(f"/threads/{unknown}{path}")
        assert (answer.status_code, answer.json()["detail"]) == (404, f"Thread with ID {unknown} not found")
    assert (await raw.post("/threads")).status_code == 422


@requirement("threads.ttl")
async def test_a_threads_ttl_is_kept_and_shown_when_asked_for(sdk: Sdk) -> None:
    made = await sdk.threads.create(ttl=60)
    shown = await sdk.threads.get(made["thread_id"], include=["ttl"])
    ttl = shown["ttl"]
    assert (ttl["ttl"], ttl["ttl_minutes"], ttl["strategy"]) == (60, 60, "delete")
    born, dies = datetime.fromisoformat(str(made["created_at"])), datetime.fromisoformat(ttl["expires_at"])
    assert 3500 < (dies - born).total_seconds() < 3700
    assert "ttl" not in await sdk.threads.get(made["thread_id"])
    await sdk.threads.update(made["thread_id"], metadata={}, ttl={"ttl": 5, "strategy": "keep_latest"})
    changed = await sdk.threads.get(made["thread_id"], include=["ttl"])
    assert changed["ttl"]["strategy"] == "keep_latest"
    with pytest.raises(UnprocessableEntityError):
        await sdk.threads.create(ttl=-1)


@requirement("threads.supersteps")
async def test_a_thread_can_be_born_with_state(sdk: Sdk) -> None:
    supersteps = [
        {"updates": [{"values": {"note": "given"}, "as_node": "__input__"}]},
        {"updates": [{"values": {"note": "given"}, "as_node": "__start__"}]},
        {"updates": [{"values": {"path": ["first"]}, "as_node": "first"}]},
        {"updates": [{"values": None, "command": {"update": {"path": ["by command"]}}, "as_node": "second"}]},
    ]
    made = await sdk.threads.create(graph_id="steps", supersteps=supersteps)
    assert made["values"] == {"path": ["first", "by command"], "note": "given"}
    assert made["status"] == "interrupted"
    done = await sdk.runs.wait(made["thread_id"], "steps", input=None)
    assert done["path"] == ["first", "by command", "third"]
    assert len(await sdk.threads.get_history(made["thread_id"], limit=100)) > 3
    with pytest.raises(BadRequestError, match="graph_id"):
        await sdk.threads.create(supersteps=supersteps)
    wanted = str(uuid4())
    wrong = [{"updates": [{"values": {}, "as_node": "no-such-node"}]}]
    with pytest.raises(BadRequestError, match="no-such-node"):
        await sdk.threads.create(thread_id=wanted, graph_id="steps", supersteps=wrong)
    with pytest.raises(NotFoundError):
        await sdk.threads.get(wanted)


@requirement("threads.update")
async def test_patching_merges_metadata_and_answers_minimally_if_asked(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    made = await sdk.threads.create(metadata={"a": 1, "deep": {"x": 1}})
    changed = await sdk.threads.update(made["thread_id"], metadata={"b": 2, "deep": {"y": 2}})
    assert changed["metadata"] == {"a": 1, "b": 2, "deep": {"y": 2}}
    assert await sdk.threads.update(made["thread_id"], metadata={"c": 3}, return_minimal=True) is None
    answer = await raw.patch(
        f"/threads/{made['thread_id']}", json={"metadata": {"d": 4}}, headers={"prefer": "return=minimal"}
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await sdk.threads.get(made["thread_id"]))["metadata"]["d"] == 4


@requirement("threads.search", "threads.search.total", "threads.count")
async def test_threads_are_found_by_metadata_status_and_ids_with_a_true_total(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    mark = uuid4().hex
    made = [await sdk.threads.create(metadata={"mark": mark, "n": n, "tags": ["t", str(n)]}) for n in range(5)]
    ids = [thread["thread_id"] for thread in made]
    found = await sdk.threads.search(metadata={"mark": mark}, sort_by="created_at", sort_order="asc")
    assert [thread["thread_id"] for thread in found] == ids
    assert len(await sdk.threads.search(metadata={"mark": mark, "n": 3})) == 1
    assert len(await sdk.threads.search(metadata={"mark": mark, "tags": ["3"]})) == 1
    assert len(await sdk.threads.search(ids=ids[:2])) == 2
    assert await sdk.threads.search(ids=[str(uuid4())]) == []
    assert await sdk.threads.search(metadata={"mark": mark}, status="interrupted") == []
    assert await sdk.threads.count(metadata={"mark": mark}) == 5
    assert await sdk.threads.count(metadata={"mark": mark}, status="busy") == 0
    newest = await sdk.threads.search(metadata={"mark": mark}, sort_by="thread_id", sort_order="desc", limit=1)
    assert newest[0]["thread_id"] == ids[-1]
    page = await raw.post("/threads/search", json={"metadata": {"mark": mark}, "limit": 2, "offset": 1})
    assert (page.headers["x-pagination-total"], page.headers["x-pagination-next"]) == ("5", "3")
    last = await raw.post("/threads/search", json={"metadata": {"mark": mark}, "limit": 2, "offset": 4})
    assert (last.headers["x-pagination-total"], "x-pagination-next" in last.headers) == ("5", False)
    past = await raw.post("/threads/search", json={"metadata": {"mark": mark}, "limit": 2, "offset": 7})
    assert (past.json(), past.headers["x-pagination-total"], "x-pagination-next" in past.headers) == ([], "5", False)


@requirement("threads.search.values", "threads.search.select", "threads.search.extract")
async def test_threads_are_found_by_their_state_and_shown_in_part(sdk: Sdk) -> None:
    mark = uuid4().hex
    talked, silent = [await sdk.threads.create(metadata={"mark": mark}) for _ in range(2)]
    await sdk.runs.wait(talked["thread_id"], "steps", input={"note": mark})
    by_values = await sdk.threads.search(values={"note": mark}, metadata={"mark": mark})
    assert [thread["thread_id"] for thread in by_values] == [talked["thread_id"]]
    assert await sdk.threads.count(values={"note": mark}, metadata={"mark": mark}) == 1
    rows = await sdk.threads.search(
        metadata={"mark": mark},
        select=["thread_id", "status"],
        extract={"last": "values.path[-1]", "mark": "metadata.mark", "none": "values.path[9].x"},
    )
    assert {row["thread_id"]: row for row in rows} == {
        talked["thread_id"]: {
            "thread_id": talked["thread_id"],
            "status": "idle",
            "extracted": {"last": "third", "mark": mark, "none": None},
        },
        silent["thread_id"]: {
            "thread_id": silent["thread_id"],
            "status": "idle",
            "extracted": {"last": None, "mark": mark, "none": None},
        },
    }
    with pytest.raises(UnprocessableEntityError, match="path"):
        await sdk.threads.search(extract={"wrong": "values..x["})


@requirement("threads.search.text")
async def test_threads_are_found_by_words_beside_every_other_filter(raw: httpx.AsyncClient) -> None:
    mark = uuid4().hex
    made = [
        (await raw.post("/threads", json={"metadata": {"title": f"The {mark} {name}", "name": name}})).json()[
            "thread_id"
        ]
        for name in ("one", "two")
    ]
    said = {"assistant_id": "echo", "input": {"messages": f"begin {mark}"}}
    await raw.post(f"/threads/{made[1]}/runs/wait", json=said)
    copy = (await raw.post(f"/threads/{made[1]}/copy")).json()["thread_id"]

    async def found(**filters: Any) -> set[str]:
        answer = await raw.post("/threads/search", json={"select": ["thread_id"], **filters})
        assert answer.headers["x-pagination-total"] == str((await raw.post("/threads/count", json=filters)).json())
        return {row["thread_id"] for row in answer.json()}

    assert await found(text=f"the {mark.upper()}") == {*made, copy}
    assert await found(text=f"BEGIN {mark}") == await found(text=f"echo: begin {mark}") == {made[1], copy}
    assert await found(text=mark, metadata={"name": "one"}) == await found(text=mark, ids=made[:1]) == {made[0]}
    assert await found(text=made[0]) == {made[0]}
    assert (await raw.post("/threads/search", json={"text": "x" * 201})).status_code == 422


@requirement("threads.copy")
async def test_a_copy_has_the_values_and_goes_its_own_way(sdk: Sdk) -> None:
    source = (await sdk.threads.create(metadata={"a": 1}))["thread_id"]
    await sdk.runs.wait(source, "echo", input=ECHO)
    copied = await sdk.threads.copy(source)
    key = copied["thread_id"]
    assert key != source
    assert (await sdk.threads.get(key))["values"] == (await sdk.threads.get(source))["values"]
    assert (await sdk.threads.get(key))["metadata"]["a"] == 1
    assert len(await sdk.threads.get_history(key)) == len(await sdk.threads.get_history(source)) > 1
    assert await sdk.runs.list(key) == []
    await sdk.runs.wait(key, "echo", input=ECHO)
    assert len((await sdk.threads.get(key))["values"]["messages"]) == 4
    assert len((await sdk.threads.get(source))["values"]["messages"]) == 2
    with pytest.raises(NotFoundError):
        await sdk.threads.copy(str(uuid4()))


@requirement("threads.copy")
async def test_the_copy_of_a_waiting_thread_waits_too(sdk: Sdk) -> None:
    source = (await sdk.threads.create())["thread_id"]
    await sdk.runs.wait(source, "asking", input={"topic": "copies"})
    key = (await sdk.threads.copy(source))["thread_id"]
    assert (await sdk.threads.get(key))["status"] == "interrupted"
    assert (await sdk.threads.get(key))["interrupts"] == (await sdk.threads.get(source))["interrupts"]
    await sdk.runs.wait(key, "asking", command={"resume": "one"})
    done = await sdk.runs.wait(key, "asking", command={"resume": "two"})
    assert (done["first"], done["second"]) == ("one", "two")
    assert (await sdk.threads.get(source))["status"] == "interrupted"


@requirement("threads.prune")
async def test_pruning_removes_threads_or_only_their_past(sdk: Sdk) -> None:
    kept, gone = [(await sdk.threads.create())["thread_id"] for _ in range(2)]
    for thread_id in (kept, gone):
        await sdk.runs.wait(thread_id, "echo", input=ECHO)
    pruned = await sdk.threads.prune([kept, str(uuid4())], strategy="keep_latest")
    assert pruned == {"pruned_count": 1}
    assert len(await sdk.threads.get_history(kept)) == 1
    await sdk.runs.wait(kept, "echo", input=ECHO)
    assert len((await sdk.threads.get(kept))["values"]["messages"]) == 4
    assert await sdk.threads.prune([gone], strategy="delete") == {"pruned_count": 1}
    with pytest.raises(NotFoundError):
        await sdk.threads.get(gone)


@requirement("threads.delete")
async def test_a_deleted_thread_takes_its_running_run_and_its_state_along(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = (await sdk.threads.create())["thread_id"]
    run = await sdk.runs.create(key, "slow", input={"steps": 1000, "seconds": 0.05})
    await until(lambda: sdk.runs.get(key, run["run_id"]), lambda found: found["status"] == "running")
    await sdk.threads.delete(key)
    for path in ("", "/state", f"/runs/{run['run_id']}"):
        assert (await raw.get(f"/threads/{key}{path}")).status_code == 404
    again = await sdk.threads.create(thread_id=key, graph_id="slow")
    assert again["values"] is None
    assert (await sdk.threads.get_state(key))["values"] == {}


@requirement("threads.ttl.race")
async def test_a_thread_that_is_deleted_while_runs_come_leaves_nothing_behind(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    key = (await sdk.threads.create())["thread_id"]
    body = {"assistant_id": "slow", "input": {"steps": 50, "seconds": 0.02}}
    asked = [asyncio.create_task(raw.post(f"/threads/{key}/runs", json=body)) for _ in range(10)]
    await asked[0]
    waiting = asyncio.create_task(raw.get(f"/threads/{key}/runs/{asked[0].result().json()['run_id']}/join"))
    asked += [asyncio.create_task(raw.post(f"/threads/{key}/runs", json=body)) for _ in range(10)]
    deleted = await raw.delete(f"/threads/{key}")
    assert deleted.status_code == 204
    assert {answer.status_code for answer in await asyncio.gather(*asked)} <= {200, 404, 409}
    assert (await waiting).status_code in (200, 404)
    assert (await raw.get(f"/threads/{key}")).status_code == 404
    made = await sdk.threads.create(thread_id=key)
    assert (await sdk.runs.list(key), await sdk.threads.get_history(key)) == ([], [])
    assert made["values"] is None


@requirement("threads.storage")
async def test_a_thread_says_how_many_bytes_it_takes(raw: httpx.AsyncClient, sdk: Sdk) -> None:
    key = (await sdk.threads.create())["thread_id"]
    empty = (await raw.get(f"/threads/{key}/storage")).json()
    await sdk.runs.wait(key, "echo", input=ECHO)
    used = (await raw.get(f"/threads/{key}/storage")).json()
    assert (empty["thread_id"], empty["total_bytes"]) == (key, 0)
    assert used["channel_values"]["by_channel"]["messages"] > 0
    assert used["total_bytes"] > used["channel_values"]["bytes"] > 0
