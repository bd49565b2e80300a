"""Crons through the SDK: made, found, changed, removed. That they fire is shown in `tests/runs/test_crons.py`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.api.sdk import Sdk
from tests.api_requirements import requirement

ECHO: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}
YEARLY = "0 0 1 1 *"


def next_new_year(zone: str = "UTC") -> str:
    here = datetime.now(ZoneInfo(zone))
    then = datetime(here.year + 1, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return then.isoformat(timespec="microseconds")


@requirement("crons.create")
async def test_a_cron_shows_what_it_will_ask_for_and_when(sdk: Sdk) -> None:
    made = await sdk.crons.create(
        "steps",
        schedule=YEARLY,
        input={"note": "x"},
        metadata={"team": "a"},
        config={"recursion_limit": 9},
        context={"tone": "loud"},
        interrupt_before=["second"],
        webhook="https://example.com/hook",
        on_run_completed="keep",
        multitask_strategy="interrupt",
        timezone=ZoneInfo("Asia/Tokyo"),
        end_time=datetime(2999, 1, 1, tzinfo=UTC),
        stream_mode=["updates"],
        stream_resumable=True,
        durability="exit",
    )
    assert UUID(made["cron_id"]).version == 7
    assert (made["thread_id"], made["enabled"], made["timezone"]) == (None, True, "Asia/Tokyo")
    assert (made["schedule"], made["on_run_completed"], made["metadata"]) == (YEARLY, "keep", {"team": "a"})
    assert made["end_time"] == "2999-01-01T00:00:00.000000+00:00"
    assert made["next_run_date"] == next_new_year("Asia/Tokyo")
    asked = made["payload"]
    assert (asked["input"], asked["config"], asked["context"]) == (
        {"note": "x"},
        {"recursion_limit": 9},
        {"tone": "loud"},
    )
    assert (asked["interrupt_before"], asked["webhook"]) == (["second"], "https://example.com/hook")
    assert (asked["stream_mode"], asked["stream_resumable"], asked["durability"]) == (["updates"], True, "exit")
    assert asked["multitask_strategy"] == "interrupt"
    assert UUID(made["assistant_id"]) == UUID(asked["assistant_id"])
    thread = (await sdk.threads.create())["thread_id"]
    bound = await sdk.crons.create_for_thread(thread, "echo", schedule=YEARLY, input=ECHO, enabled=False)
    assert (bound["thread_id"], bound["enabled"], bound["next_run_date"]) == (thread, False, None)


@requirement("crons.refused")
@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"schedule": "61 * * * *"}, 422, "Bad minute"),
        ({"schedule": "* * * *"}, 422, "five fields"),
        ({"schedule": "0 0 0 1 1 *"}, 422, "five fields"),
        ({"schedule": "* * 30 2 *"}, 422, "Bad day-of-month"),
        ({"schedule": "* * * * *", "timezone": "Europe"}, 422, "'Europe' is not an IANA time zone"),
        ({"schedule": "* * * * *", "timezone": "../../etc/passwd"}, 422, "is not an IANA time zone"),
        ({"schedule": "* * * * *", "timezone": "Mars/Olympus"}, 422, "is not an IANA time zone"),
        ({"schedule": "* * * * *", "end_time": "2000-01-01T00:00:00Z"}, 422, "has passed"),
        ({"schedule": "* * * * *", "end_time": "tomorrow"}, 422, "end_time"),
        ({"schedule": "* * * * *", "end_time": "0001-01-01T00:00:00+05:00"}, 422, "too far"),
        ({"schedule": "61 * * * *", "enabled": False}, 422, "Bad minute"),
        ({"input": {}}, 422, "schedule"),
        ({"schedule": "* * * * *", "assistant_id": "nobody"}, 404, "nobody"),
        ({"schedule": "* * * * *", "interrupt_after": ["nowhere"]}, 422, "nowhere"),
        ({"schedule": "* * * * *", "stream_mode": "all"}, 422, "stream_mode"),
        ({"schedule": "* * * * *", "config": {"recursion_limit": 1_000_000}}, 422, "recursion_limit must be at most"),
    ],
)
async def test_what_could_never_fire_is_refused_with_what_is_wrong(
    raw: httpx.AsyncClient, body: dict[str, Any], status: int, words: str
) -> None:
    before = (await raw.post("/runs/crons/count", json={})).json()
    refused = await raw.post("/runs/crons", json={"assistant_id": "steps", "input": {}, **body})
    assert refused.status_code == status, refused.text
    assert words in refused.json()["detail"]
    assert (await raw.post("/runs/crons/count", json={})).json() == before


@requirement("crons.refused")
async def test_a_thread_that_is_not_there_gets_no_cron(raw: httpx.AsyncClient) -> None:
    body = {"assistant_id": "echo", "schedule": YEARLY}
    assert (await raw.post(f"/threads/{uuid4()}/runs/crons", json=body)).status_code == 404
    assert (await raw.post("/threads/here/runs/crons", json=body)).status_code == 422


@requirement("crons.search")
async def test_crons_are_found_sorted_selected_and_counted(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    mark = {"mark": uuid4().hex}
    thread = (await sdk.threads.create())["thread_id"]
    keys = [
        (await sdk.crons.create("echo", schedule=f"{minute} 0 1 1 *", input=ECHO, metadata=mark))["cron_id"]
        for minute in (30, 10, 20)
    ]
    bound = await sdk.crons.create_for_thread(thread, "steps", schedule=YEARLY, input={}, metadata=mark, enabled=False)
    by_time = await sdk.crons.search(metadata=mark, enabled=True, sort_by="next_run_date", sort_order="asc")
    assert [one["cron_id"] for one in by_time] == [keys[1], keys[2], keys[0]]
    assert [one["cron_id"] for one in await sdk.crons.search(metadata=mark)] == [bound["cron_id"], *reversed(keys)]
    assert [one["cron_id"] for one in await sdk.crons.search(thread_id=thread)] == [bound["cron_id"]]
    assert len(await sdk.crons.search(assistant_id="echo", metadata=mark)) == 3
    assert len(await sdk.crons.search(assistant_id=bound["assistant_id"], metadata=mark)) == 1
    assert await sdk.crons.search(metadata=mark, thread_id=thread, select=["schedule"]) == [{"schedule": YEARLY}]
    assert await sdk.crons.count(metadata=mark) == 4
    assert await sdk.crons.count(metadata=mark, assistant_id="echo") == 3
    page = await raw.post("/runs/crons/search", json={"metadata": mark, "limit": 2, "offset": 1})
    assert [one["cron_id"] for one in page.json()] == [keys[2], keys[1]]
    assert (page.headers["x-pagination-total"], page.headers["x-pagination-next"]) == ("4", "3")
    for key in (*keys, bound["cron_id"]):
        await sdk.crons.delete(key)


@requirement("crons.update")
async def test_what_is_given_changes_and_the_rest_stays(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    far = datetime(2999, 1, 1, tzinfo=UTC)
    made = await sdk.crons.create("echo", schedule=YEARLY, input=ECHO, metadata={"a": 1}, end_time=far)
    key = made["cron_id"]
    changed = await sdk.crons.update(key, schedule="0 0 2 1 *", metadata={"b": 2}, webhook="https://example.com/h")
    later = datetime.fromisoformat(made["next_run_date"]) + timedelta(days=1)
    assert datetime.fromisoformat(changed["next_run_date"]) == later
    assert (changed["metadata"], changed["payload"]["input"]) == ({"a": 1, "b": 2}, ECHO)
    assert changed["payload"]["webhook"] == "https://example.com/h"
    assert changed["end_time"] == made["end_time"]
    assert (await sdk.crons.update(key, end_time=None))["end_time"] is None
    assert (await sdk.crons.update(key, timezone="Asia/Tokyo"))["timezone"] == "Asia/Tokyo"
    assert (await sdk.crons.update(key, enabled=False))["next_run_date"] is None
    resting = await sdk.crons.update(key, on_run_completed="keep", stream_mode="updates", input={"messages": []})
    assert (resting["enabled"], resting["on_run_completed"]) == (False, "keep")
    assert (resting["payload"]["stream_mode"], resting["payload"]["input"]) == (["updates"], {"messages": []})
    assert (await sdk.crons.update(key, enabled=True))["next_run_date"] is not None
    assert (await raw.get(f"/runs/crons/{key}")).json()["timezone"] == "Asia/Tokyo"
    for wrong in ({"schedule": "soon"}, {"timezone": "Mars"}, {"end_time": "2000-01-01"}, {"interrupt_before": ["x"]}):
        refused = await raw.patch(f"/runs/crons/{key}", json=wrong)
        assert (refused.status_code, set(refused.json())) == (422, {"detail"}), wrong
    assert (await raw.get(f"/runs/crons/{key}")).json()["schedule"] == "0 0 2 1 *"
    await sdk.crons.delete(key)


@requirement("crons.delete")
async def test_a_deleted_cron_is_gone_and_a_threads_crons_go_with_it(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    made = await sdk.crons.create("echo", schedule=YEARLY, input=ECHO)
    await sdk.crons.delete(made["cron_id"])
    for answer in (
        await raw.get(f"/runs/crons/{made['cron_id']}"),
        await raw.delete(f"/runs/crons/{made['cron_id']}"),
        await raw.patch(f"/runs/crons/{made['cron_id']}", json={"enabled": True}),
    ):
        assert (answer.status_code, "not found" in answer.json()["detail"]) == (404, True)
    assert (await raw.get("/runs/crons/mine")).status_code == 422
    thread = (await sdk.threads.create())["thread_id"]
    bound = await sdk.crons.create_for_thread(thread, "echo", schedule=YEARLY, input=ECHO)
    assistant = (await sdk.assistants.create("echo"))["assistant_id"]
    of_assistant = await sdk.crons.create(assistant, schedule=YEARLY, input=ECHO)
    await sdk.threads.delete(thread)
    await sdk.assistants.delete(assistant)
    for gone in (bound, of_assistant):
        assert (await raw.get(f"/runs/crons/{gone['cron_id']}")).status_code == 404
