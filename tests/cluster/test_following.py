"""A reader that begins to follow a thread at the moment a run on it is being stored."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import pytest

from tests.cluster.test_outages import Node, opened
from threadkeep.api.thread_events import thread_events
from threadkeep.callers import EVERYONE
from threadkeep.runs.accept import RunRequest
from threadkeep.storage.connection import Connection
from threadkeep.streams.protocol import ProtocolEvent
from threadkeep.streams.subscription import Subscription


@pytest.mark.parametrize("resumable", [True, False])
async def test_who_begins_to_follow_a_thread_while_a_run_is_being_stored_is_shown_that_run(
    tmp_path: Path, postgres_uri: str, resumable: bool
) -> None:
    node = Node()
    node.may_go_on.set()
    thread_id = str(uuid4())
    loop, reached, may_commit = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        loop.call_soon_threadsafe(reached.set)
        assert may_commit.wait(30)

    async with opened(tmp_path, postgres_uri, postgres_uri, node, patience=5, lease=30) as engine:
        request = RunRequest("g", input={"messages": "hi"}, stream_resumable=resumable, if_not_exists="create")
        accepting = asyncio.create_task(
            engine.acceptance.accept(request, EVERYONE, thread_id=thread_id, together_with=hold)
        )
        await reached.wait()
        wanted = Subscription(frozenset({"lifecycle"}), (), None, None)
        async with aclosing(thread_events(engine, thread_id, EVERYONE, wanted, ProtocolEvent.encode)) as events:
            first = asyncio.create_task(anext(events))
            for _ in range(5):  # looks of our own, which come after the follower's
                assert await engine.queue.runs_from(thread_id, EVERYONE) == []
            may_commit.set()
            await accepting
            async with asyncio.timeout(20):
                shown = [await first]
                while b"completed" not in shown[-1]:
                    shown.append(await anext(events))
            assert [b"running" in event for event in shown] == [True, *(False for _ in shown[1:])]
