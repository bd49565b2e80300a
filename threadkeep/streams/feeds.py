"""Who follows a whole thread, and is told when there is something new to follow: a run, or a state changed by hand.

Nothing is kept here: a follower asks the event log for the rest. What happens while nobody follows is told to nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from threadkeep.streams.live import RunStream


@dataclass(frozen=True, slots=True)
class RunComing:
    """A run is about to be accepted; if it is not, its stream is abandoned. Whoever takes this is one of the stream's
    readers already, and has to leave (`readers -= 1`) when it has subscribed or does not want to."""

    stream: RunStream


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The thread's state was changed outside a run."""


News = RunComing | StateChanged


class ThreadFeeds:
    def __init__(self) -> None:
        self._followers: dict[str, list[asyncio.Queue[News]]] = {}

    @contextmanager
    def following(self, thread_id: str) -> Iterator[asyncio.Queue[News]]:
        """News of the thread from this moment on, for the length of the block."""
        news: asyncio.Queue[News] = asyncio.Queue()
        self._followers.setdefault(thread_id, []).append(news)
        try:
            yield news
        finally:
            followers = self._followers[thread_id]
            followers.remove(news)
            while not news.empty():
                if isinstance(unread := news.get_nowait(), RunComing):
                    unread.stream.readers -= 1
            if not followers:
                del self._followers[thread_id]

    def followed(self, thread_id: str) -> bool:
        return thread_id in self._followers

    def run_coming(self, thread_id: str, stream: RunStream) -> None:
        for news in self._followers.get(thread_id, ()):
            # From here on the stream keeps its events for this follower, who may not look before the run has begun.
            stream.readers += 1
            stream.on_thread = True
            news.put_nowait(RunComing(stream))

    def state_changed(self, thread_id: str) -> None:
        for news in self._followers.get(thread_id, ()):
            news.put_nowait(StateChanged())
