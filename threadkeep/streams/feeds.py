"""Who follows a whole thread, and is told when there is something new to follow: a run, or a state changed by hand.

Nothing is kept here: a follower asks the event log for the rest. What happens while nobody follows is told to nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from threadkeep.streams.live import RunStream


@dataclass(frozen=True, slots=True)
class RunComing:
    """A run is about to be accepted, or was; if it is not, its stream is abandoned. Whoever takes this is one of the
    stream's readers already, and has to leave (`readers -= 1`) when it has subscribed or does not want to."""

    stream: RunStream


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The thread's state was changed outside a run."""


News = RunComing | StateChanged


class Feed(asyncio.Queue[News]):
    """One follower's news."""

    def announces(self, run_id: str) -> bool:
        """Whether the run's stream is still to be taken from here."""
        waiting: deque[News] = self._queue  # type: ignore[attr-defined]  # as asyncio's own subclasses use it
        return any(isinstance(news, RunComing) and news.stream.run_id == run_id for news in waiting)


class ThreadFeeds:
    def __init__(self) -> None:
        self._followers: dict[str, list[Feed]] = {}
        self._coming: dict[str, list[RunStream]] = {}

    @contextmanager
    def following(self, thread_id: str) -> Iterator[Feed]:
        """News of the thread from this moment on, for the length of the block.

        Runs that are being accepted just now are news too, whether or not a look at what is stored finds them already.
        """
        news = Feed()
        self._followers.setdefault(thread_id, []).append(news)
        for stream in self._coming.get(thread_id, ()):
            _tell(news, stream)
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

    @contextmanager
    def coming(self, thread_id: str, stream: RunStream) -> Iterator[None]:
        """A run is stored in this block: told to those who follow the thread, and who begin to before it is done."""
        coming = self._coming.setdefault(thread_id, [])
        coming.append(stream)
        self.run_coming(thread_id, stream)
        try:
            yield
        finally:
            coming.remove(stream)
            if not coming:
                del self._coming[thread_id]

    def run_coming(self, thread_id: str, stream: RunStream) -> None:
        """A run that is stored already, for those who began to follow the thread before it was."""
        for news in self._followers.get(thread_id, ()):
            _tell(news, stream)

    def state_changed(self, thread_id: str) -> None:
        for news in self._followers.get(thread_id, ()):
            news.put_nowait(StateChanged())


def _tell(news: Feed, stream: RunStream) -> None:
    # From here on the stream keeps its events for this follower, who may not look before the run has begun.
    stream.readers += 1
    stream.on_thread = True
    news.put_nowait(RunComing(stream))
