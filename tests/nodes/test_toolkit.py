"""How tools are guarded: time, rate, retries, the circuit breaker, caps and keys. Time is moved by hand."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import ToolException, tool

from nodes.context import ModelContext
from nodes.tools.guard import ToolGuard, ToolPolicy, ToolTimeoutError
from nodes.tools.toolkit import Toolkit


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, list[float]()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guard(clock: Clock) -> ToolGuard:
    return ToolGuard(clock, clock.sleep)


def failing(error: Exception, times: int = 1000) -> Callable[[], Awaitable[str]]:
    left = [error] * times

    async def work() -> str:
        if left:
            raise left.pop()
        return "done"

    return work


@pytest.mark.fault("tool.rate")
async def test_a_user_over_the_rate_waits_a_little_or_is_told_when_to_come_back(guard: ToolGuard, clock: Clock) -> None:
    policy = ToolPolicy(calls=2, window=60, max_wait=5)
    for _ in range(2):
        await guard.run("t", "ada", policy, failing(ToolException(), 0))
    with pytest.raises(ToolException, match="may be used again in 60 s"):
        await guard.run("t", "ada", policy, failing(ToolException(), 0))
    clock.now += 57
    assert await guard.run("t", "ada", policy, failing(ToolException(), 0)) == "done"
    assert clock.slept == [3.0]


async def test_one_users_rate_is_not_anothers_nor_another_tools(guard: ToolGuard) -> None:
    policy = ToolPolicy(calls=1, max_wait=0)
    for tool_name, user in (("t", "ada"), ("t", "bob"), ("u", "ada")):
        assert await guard.run(tool_name, user, policy, failing(ToolException(), 0)) == "done"


@pytest.mark.fault("tool.retried")
@pytest.mark.parametrize(("error", "attempts"), [(ConnectionError(), 3), (ValueError(), 1), (ToolException(), 1)])
async def test_only_errors_declared_transient_are_tried_again(
    guard: ToolGuard, error: Exception, attempts: int
) -> None:
    tried: list[int] = []

    async def work() -> str:
        tried.append(1)
        raise error

    with pytest.raises(type(error)):
        await guard.run("t", "ada", ToolPolicy(attempts=3), work)
    assert len(tried) == attempts


async def test_a_transient_error_that_passes_is_not_seen(guard: ToolGuard) -> None:
    assert await guard.run("t", "ada", ToolPolicy(attempts=2), failing(ConnectionError(), 1)) == "done"


@pytest.mark.fault("tool.hangs")
async def test_a_tool_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(ToolTimeoutError, match=r"longer than 0\.05 s"):
        await ToolGuard().run("t", "ada", ToolPolicy(timeout=0.05), asyncio.Event().wait)


@pytest.mark.fault("tool.keeps_failing")
async def test_a_tool_that_keeps_failing_is_left_alone_and_then_tried_again(guard: ToolGuard, clock: Clock) -> None:
    policy = ToolPolicy(breaker_failures=2, breaker_seconds=30)
    for _ in range(2):
        with pytest.raises(ValueError):
            await guard.run("t", "ada", policy, failing(ValueError()))
    with pytest.raises(ToolException, match="left alone; try again in 30 s"):
        await guard.run("t", "ada", policy, failing(ValueError(), 0))
    clock.now += 31
    assert await guard.run("t", "ada", policy, failing(ValueError(), 0)) == "done"
    with pytest.raises(ValueError):  # closed again: it takes as many failures as before
        await guard.run("t", "ada", policy, failing(ValueError()))
    assert await guard.run("t", "ada", policy, failing(ValueError(), 0)) == "done"


@pytest.fixture
async def half_open(guard: ToolGuard, clock: Clock) -> ToolGuard:
    """A guard that has left tool `t` alone for long enough to have it tried."""
    for _ in range(PATIENT.breaker_failures):
        with pytest.raises(ValueError):
            await guard.run("t", "ada", PATIENT, failing(ValueError()))
    clock.now += PATIENT.breaker_seconds + 1
    return guard


PATIENT = ToolPolicy(breaker_failures=3, breaker_seconds=30, max_wait=0, calls=9)


@pytest.mark.fault("tool.trial")
async def test_one_failure_of_the_trial_leaves_the_tool_alone_again(half_open: ToolGuard, clock: Clock) -> None:
    for _ in range(2):
        with pytest.raises(ValueError):
            await half_open.run("t", "ada", PATIENT, failing(ValueError()))
        with pytest.raises(ToolException, match="left alone; try again in 30 s"):
            await half_open.run("t", "ada", PATIENT, failing(ValueError(), 0))
        clock.now += 31
    assert await half_open.run("t", "ada", PATIENT, failing(ValueError(), 0)) == "done"


@pytest.mark.fault("tool.trial")
async def test_only_one_call_tries_a_tool_that_was_left_alone(half_open: ToolGuard) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        begun.set()
        await go_on.wait()
        return "well again"

    trial = asyncio.create_task(half_open.run("t", "ada", PATIENT, slow))
    await asyncio.wait_for(begun.wait(), 5)
    with pytest.raises(ToolException, match="just being tried by another call"):
        await half_open.run("t", "bob", PATIENT, failing(ValueError(), 0))
    go_on.set()
    assert await trial == "well again"
    assert await half_open.run("t", "bob", PATIENT, failing(ValueError(), 0)) == "done"


async def test_a_trial_that_is_cancelled_or_refused_its_place_leaves_the_trial_to_the_next_call(
    half_open: ToolGuard,
) -> None:
    begun = asyncio.Event()

    async def endless() -> str:
        begun.set()
        return str(await asyncio.Event().wait())

    trial = asyncio.create_task(half_open.run("t", "ada", PATIENT, endless))
    await asyncio.wait_for(begun.wait(), 5)
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    with pytest.raises(ToolException, match="rate limited"):
        await half_open.run("t", "ada", replace(PATIENT, calls=1), failing(ValueError(), 0))
    assert await half_open.run("t", "ada", PATIENT, failing(ValueError(), 0)) == "done"


async def test_a_call_that_began_before_the_breaker_opened_neither_closes_it_nor_keeps_it_open(
    guard: ToolGuard, clock: Clock
) -> None:
    ends = {kind: asyncio.Event() for kind in ("good", "bad")}

    async def late(kind: str) -> str:
        await ends[kind].wait()
        if kind == "bad":
            raise ValueError
        return kind

    calls = {kind: asyncio.create_task(guard.run("t", "ada", PATIENT, lambda kind=kind: late(kind))) for kind in ends}
    await asyncio.sleep(0)
    for _ in range(PATIENT.breaker_failures):
        with pytest.raises(ValueError):
            await guard.run("t", "ada", PATIENT, failing(ValueError()))
    ends["good"].set()
    assert await calls["good"] == "good"
    with pytest.raises(ToolException, match="try again in 30 s"):
        await guard.run("t", "ada", PATIENT, failing(ValueError(), 0))
    clock.now += 20
    ends["bad"].set()
    await asyncio.gather(calls["bad"], return_exceptions=True)
    clock.now += 11
    assert await guard.run("t", "ada", PATIENT, failing(ValueError(), 0)) == "done"


async def test_a_refusal_is_an_answer_and_opens_no_breaker(guard: ToolGuard) -> None:
    for _ in range(9):
        with pytest.raises(ToolException, match="not today"):
            await guard.run("t", "ada", ToolPolicy(breaker_failures=2), failing(ToolException("not today")))


@tool
def echo(text: str, config: RunnableConfig) -> str:
    """Give the text, or the key of this call."""
    return config["configurable"]["idempotency_key"] if text == "key" else text


def call(text: str, name: str = "echo", call_id: str = "1") -> Any:
    return {"name": name, "args": {"text": text}, "id": call_id, "type": "tool_call"}


@pytest.mark.fault("tool.long_result")
async def test_a_long_result_is_cut_and_says_so() -> None:
    kit = Toolkit([echo], policies={"echo": ToolPolicy(max_result=10)})
    result = await kit.run(call("x" * 30), {}, ModelContext())
    assert result.text == "x" * 10 + "\n... (20 more characters left out)"


async def test_the_idempotency_key_is_the_same_for_the_same_call_of_a_task_and_differs_otherwise() -> None:
    kit = Toolkit([echo])

    async def key(call_id: str, **known: str) -> str:
        return (await kit.run(call("key", call_id=call_id), {"configurable": known}, ModelContext())).text

    here = {"run_id": "r", "checkpoint_ns": "run_tool:1"}
    assert await key("1", **here) == await key("1", **here)
    others = [await key("2", **here), await key("1", **{**here, "run_id": "q"}), await key("1", checkpoint_ns="x")]
    assert len({await key("1", **here), *others}) == 4


async def test_a_tool_that_the_run_was_not_offered_cannot_be_called() -> None:
    result = await Toolkit([echo]).run(call("hi"), {}, ModelContext(tools=()))
    assert (result.status, result.text) == ("error", "there is no tool 'echo'; there are: ")
