"""Values that JSON lacks: what stands for them, whichever way they are encoded, and wherever a client meets them."""

from __future__ import annotations

import re
from collections import namedtuple
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import orjson
import pytest
from langgraph.types import Send
from pydantic import BaseModel

from tests.api.sdk import Sdk
from tests.api_requirements import requirement
from threadkeep import json

HALF = "\ud800"
"""Half a character, which the fast encoder refuses: whatever stands beside it is written the slow way."""

Point = namedtuple("Point", "x y")


class Money(Enum):
    ONE = Decimal("1.5")


class Silent:
    def __str__(self) -> str:
        raise ValueError("I have no text")


class SilentError(Exception):
    def __str__(self) -> str:
        raise ValueError("I have no text")


class Refusing(BaseModel):
    def model_dump(self, **options: Any) -> Any:
        raise ValueError("I am not dumped")


class Proxy:
    """Has whatever it is asked for, as clients of remote objects do."""

    def __getattr__(self, name: str) -> Proxy:
        return Proxy()

    def __call__(self) -> Proxy:
        return Proxy()


@dataclass
class Record:
    price: Decimal = Decimal("2.50")
    _own: int = 1


@dataclass(slots=True)
class Unset:
    there: int = 1
    missing: int = field(init=False)


VALUES: list[tuple[Any, Any]] = [
    (Decimal("1.10"), 1.1),
    (Decimal(10), 10),
    (Decimal("9007199254740993"), 9007199254740993),
    (Decimal("1e400"), None),
    (Decimal("NaN"), None),
    (Decimal("sNaN"), None),
    (b"\xff\x00", "/wA="),
    (bytearray(b"\xff\x00"), "/wA="),
    (memoryview(b"\xff\x00"), "/wA="),
    (timedelta(seconds=5), 5.0),
    (timedelta(milliseconds=-1500), -1.5),
    (PurePosixPath("a/b"), "a/b"),
    (PureWindowsPath("a/b"), "a\\b"),
    (re.compile("a.b"), "a.b"),
    (re.compile(b"\xff\x00"), "/wA="),
    (ip_address("::1"), "::1"),
    (ip_network("10.0.0.0/8"), "10.0.0.0/8"),
    (ip_interface("10.0.0.1/8"), "10.0.0.1/8"),
    (1 + 2j, "(1+2j)"),
    (ZoneInfo("Europe/Berlin"), "Europe/Berlin"),
    (UTC, "UTC"),
    (timezone(timedelta(hours=2)), "UTC+02:00"),
    (Send("shout", {"price": Decimal("1.5")}), {"node": "shout", "args": {"price": 1.5}}),
    (Money.ONE, 1.5),
    (Point(1, Decimal("1.5")), {"x": 1, "y": 1.5}),
    ((1, b""), [1, ""]),
    ({Decimal("1.5")}, [1.5]),
    (Record(), {"price": 2.5}),
    (Unset(), {"there": 1}),
    (ValueError("no"), {"error": "ValueError", "message": "no"}),
    (SilentError(), {"error": "SilentError", "message": "<SilentError>"}),
    (Silent(), None),
    (Refusing(), None),
    (Proxy(), None),
    (object(), None),
    (Silent, None),
    (float("nan"), None),
    (float("-inf"), None),
    (10**5000, hex(10**5000)),
]

KEYS: list[tuple[Any, str]] = [
    (Decimal("1.10"), "1.1"),
    (b"\xff\x00", "/wA="),
    (timedelta(seconds=5), "5.0"),
    (PurePosixPath("a/b"), "a/b"),
    (ip_address("::1"), "::1"),
    (datetime(2026, 11, 22, tzinfo=UTC), "2026-11-22T00:00:00+00:00"),
    (Money.ONE, "1.5"),
    (None, "null"),
    (True, "true"),
    (1e300, "1e+300"),
    (float("inf"), "null"),
    (("a", 1), "('a', 1)"),
    (10**30, str(10**30)),
    (10**5000, hex(10**5000)),
    (Silent(), "<Silent>"),
    (SilentError(), "<SilentError>"),
]


@pytest.mark.parametrize(("value", "written"), VALUES, ids=lambda value: type(value).__name__)
def test_a_value_that_json_lacks_is_written_the_same_by_both_ways(value: Any, written: Any) -> None:
    assert orjson.loads(json.dumps({"fast": value})) == {"fast": written}
    assert orjson.loads(json.dumps({"slow": value, "half": HALF})) == {"slow": written, "half": "?"}


@pytest.mark.parametrize(("key", "written"), KEYS, ids=lambda key: type(key).__name__)
def test_a_key_is_written_as_the_value_would_be_and_the_same_by_both_ways(key: Any, written: str) -> None:
    assert orjson.loads(json.dumps({key: 1})) == {written: 1}
    assert orjson.loads(json.dumps({key: 1, "half": HALF})) == {written: 1, "half": "?"}


def test_what_holds_itself_ends_in_null() -> None:
    record = Record()
    record.price = record  # type: ignore[assignment]
    assert orjson.loads(json.dumps(record)) == {"price": None}


@requirement("values.rare")
async def test_they_are_the_same_in_wait_streams_state_and_thread(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    found = {
        "price": 1.1, "raw": "/wA=", "after": 5.0, "file": "a/b", "pattern": "a.b", "address": "::1",
    }  # fmt: skip
    thread_id = (await sdk.threads.create())["thread_id"]
    assert await sdk.runs.wait(thread_id, "rare", input={}) == {"found": found}
    assert (await sdk.threads.get_state(thread_id))["values"] == {"found": found}
    assert (await sdk.threads.get(thread_id))["values"] == {"found": found}
    history = (await sdk.threads.get_history(thread_id))[0]
    assert history["values"] == {"found": found}
    modes: Any = ["values", "updates", "tasks"]
    parts = [part async for part in sdk.runs.stream(thread_id, "rare", input={}, stream_mode=modes)]
    assert [part.data for part in parts if part.event == "values"][-1] == {"found": found}
    assert [part.data for part in parts if part.event == "updates"] == [{"find": {"found": found}}]
    assert [part.data for part in parts if part.event == "tasks"][-1]["result"] == {"found": found}


@requirement("values.rare")
async def test_the_sends_of_an_edge_are_seen_among_the_events(sdk: Sdk) -> None:
    parts = [
        part.data
        async for part in sdk.runs.stream(None, "steps", input={"note": "shout"}, stream_mode="events")
        if part.event == "events"
    ]
    sent = [{"node": "shout", "args": {"word": "shout"}}]
    assert sent in [part["data"].get("output") for part in parts]
