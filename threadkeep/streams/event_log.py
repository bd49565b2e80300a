"""The event log: what every run showed, under dense ids, for readers that come, go and come back.

Events of a resumable run are on the disk before anybody sees them, one commit for all of a loop tick; those of other
runs live in memory while the run does. Replay and live reading are one path: a reader asks by id for what is buffered,
else for what is stored, else waits. Of an ended run, a `values` frame is only the id of its checkpoint and rebuilt when
it is read, or the log would grow with the square of the thread. An ended run has an end to offer, however late a
reader comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from typing import Literal

import structlog

from threadkeep import json
from threadkeep.clock import Clock
from threadkeep.errors import ThreadkeepError, UnavailableError
from threadkeep.streams.event_store import EventStore, LostRunError, StoredEvent
from threadkeep.streams.live import END, Event, GapError, RunStream

log = structlog.get_logger("threadkeep.streams")

Rebuild = Callable[[str, str], Awaitable[bytes]]
"""From a run's id and a checkpoint's id to the JSON of that checkpoint's values; `GapError` when it is gone."""

Values = Literal["all", "kept", "none"]
"""Of frames that are stored as their checkpoints' ids, a reader wants all (one that is gone is a `GapError`), what is
still kept, or none. A frame that is not rebuilt has no data."""

_UNSAVED_EVENTS = 1_000
_RETRY_SECONDS = 1.0


class EventLog:
    def __init__(self, store: EventStore, rebuild: Rebuild, clock: Clock, *, buffer_bytes: int) -> None:
        self.store = store
        self._clock = clock
        self._rebuild = rebuild
        self._buffer_bytes = buffer_bytes
        self._live: dict[str, RunStream] = {}

    def open_new(self, run_id: str, *, resumable: bool) -> RunStream:
        """The stream of a run that is about to be stored; say `stored` when it is, or `close` it."""
        stream = self._opened(run_id, resumable, last_id=0)
        stream.coming = True
        return stream

    def stored(self, stream: RunStream) -> None:
        """Its run can be found from now on: what others have shown of it meanwhile is looked up."""
        stream.coming = False
        if stream.stale:
            self.refresh(stream.run_id)

    async def open(self, run_id: str, *, resumable: bool) -> RunStream:
        """The stream of a run that is about to start; one that started before goes on after its last stored event."""
        if (stream := self._live.get(run_id)) is not None:
            return stream
        last_id = await self.store.last_id(run_id) if resumable or self.store.shared else 0
        stream = self._live.get(run_id) or self._opened(run_id, resumable, last_id=last_id)
        if not self.store.shared:
            # It may have ended before there was a stream to tell it by; from here on its end finds this one.
            if await self.store.has_ended(run_id) and not stream.produced:
                self._end(stream)
            return stream
        if not resumable:
            await self.store.ask_for(run_id)
        self.refresh(run_id)
        return stream

    async def produce(
        self, run_id: str, *, resumable: bool, awaited_elsewhere: bool = False, again: bool = False
    ) -> RunStream:
        """The same for who runs it: from here on its events come from this process.

        With `awaited_elsewhere`, readers at another process wait for them. `again`: an earlier attempt, here or at
        another process, has shown something perhaps, after which this one's ids go on.
        """
        stream = self._live.get(run_id)
        if stream is not None and again and stream.produced:
            # An attempt here has lost the run and not noticed yet; ids it gave may never be stored. Readers come back.
            self.close(stream, None)
            stream = None
        if stream is None:
            stream = await self.open(run_id, resumable=resumable)
        stream.produced = True
        stream.followed = stream.followed or awaited_elsewhere
        if stream.fetcher is not None:
            await asyncio.wait([stream.fetcher])
        if again and stream.last_id < await self.store.last_id(run_id):
            await self._catch_up(stream)
        return stream

    def _opened(self, run_id: str, resumable: bool, *, last_id: int) -> RunStream:
        stream = RunStream(run_id, resumable=resumable, buffer_bytes=self._buffer_bytes, last_id=last_id)
        self._live[run_id] = stream
        return stream

    def live(self, run_id: str) -> RunStream | None:
        return self._live.get(run_id)

    def append(
        self, stream: RunStream, name: str, data: object, *, attempt: int, checkpoint_id: str | None = None
    ) -> None:
        """Add one event; what nobody will see is not even encoded.

        With a `checkpoint_id`, `data` is what that checkpoint's values are, and only the id stays when the run ends.
        """
        if not (stream.wanted or stream.followed):
            return
        stream.assigned += 1
        beginning, end = stream.encoded(data)
        event = Event(stream.assigned, name, beginning, attempt, self._now(), end)
        if not stream.resumable:
            stream.publish([event])
            if not stream.followed:
                return
        stream.unsaved.append(StoredEvent(event, checkpoint_id))
        if stream.saver is None:
            stream.saver = asyncio.create_task(self._save(stream))

    async def _save(self, stream: RunStream) -> None:
        try:
            while stream.unsaved:
                batch = list(stream.unsaved)
                try:
                    await self.store.insert(stream.run_id, batch)
                except UnavailableError as error:
                    # The run is not at fault; its events wait, and `room` holds the run back meanwhile.
                    log.error("events_not_stored", run_id=stream.run_id, error=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                except LostRunError:
                    stream.unsaved.clear()  # nobody is to see them; the next heartbeat finds out and stops the run
                    return
                del stream.unsaved[: len(batch)]
                if stream.resumable:
                    stream.publish([stored.event for stored in batch])
        finally:
            stream.saver = None

    def share(self, run_id: str) -> None:
        """Somebody elsewhere follows this run: what is still buffered, and what is to come, is stored for them."""
        stream = self._live.get(run_id)
        if stream is None or stream.resumable or stream.followed:
            return
        stream.followed = True
        stream.unsaved.extend(StoredEvent(event, None) for event in stream.buffered())
        if stream.produced and stream.unsaved and stream.saver is None:
            stream.saver = asyncio.create_task(self._save(stream))

    def kept(self, stream: RunStream) -> bool:
        """Whether its end has to be stored for somebody to find."""
        return stream.resumable or stream.followed

    def refresh(self, run_id: str) -> None:
        """Another process may have stored events of this run: show them to who follows it here."""
        stream = self._live.get(run_id)
        if stream is None or stream.produced or not self.store.shared:
            return
        stream.stale = True
        if stream.fetcher is None and not stream.coming:  # a run that is not there yet looks like one that is gone
            stream.fetcher = asyncio.create_task(self._fetch(stream))

    def refresh_all(self) -> None:
        for run_id in list(self._live):
            self.refresh(run_id)

    async def _fetch(self, stream: RunStream) -> None:
        try:
            while stream.stale:
                stream.stale = False
                await self._catch_up(stream)
        except (UnavailableError, GapError) as error:
            # Who follows is let go, and finds out on coming back.
            log.warning("stream_not_followed", run_id=stream.run_id, error=str(error))
            self.close(stream, None)
        finally:
            stream.fetcher = None

    async def _catch_up(self, stream: RunStream) -> None:
        """Show all that is stored past what the stream has; of a run that has ended, its end in any case."""
        over = await self.store.has_ended(stream.run_id)
        while events := await self._stored(stream.run_id, stream.last_id, "all"):
            if events[0].event_id != stream.last_id + 1:
                raise GapError
            stream.elsewhere = events[-1].name == END
            stream.publish(events)
        if over or stream.ended:
            self._end(stream)

    def _end(self, stream: RunStream) -> None:
        """The run has ended, and not by this stream."""
        if not stream.ended:
            stream.elsewhere = True
            stream.publish([Event(stream.last_id + 1, END, json.dumps({"run_id": stream.run_id}), 1, self._now())])
        if self._live.get(stream.run_id) is stream:
            del self._live[stream.run_id]

    async def of(self, run_id: str, *, resumable: bool) -> RunStream | None:
        """The stream of an active run, if it can be told how that goes: from here, or what another process stores."""
        return await self.open(run_id, resumable=resumable) if self.store.shared else self._live.get(run_id)

    async def room(self, stream: RunStream) -> None:
        """Return at once, unless so much waits for the disk that the run had better wait too."""
        if len(stream.unsaved) > _UNSAVED_EVENTS:
            await self.flush(stream)

    async def flush(self, stream: RunStream) -> None:
        """Return once everything appended so far is shown; raises what storing it raised."""
        if stream.saver is not None:
            await asyncio.shield(stream.saver)

    def ending(self, stream: RunStream, data: object, *, attempt: int) -> Event:
        """The terminal event, for the transaction that ends the run; publish it with `close` after the commit."""
        stream.ended_at = stream.ended_at or self._now()
        return Event(stream.assigned + 1, END, json.dumps(data), attempt, stream.ended_at)

    def close(self, stream: RunStream, ending: Event | None) -> None:
        """The run is over (or, without an ending, given up by this process): readers finish, memory is let go."""
        if self._live.get(stream.run_id) is stream:  # an attempt that has lost its run may come late
            del self._live[stream.run_id]
        if stream.saver is not None and ending is None:
            stream.saver.cancel()
        if ending is None:
            stream.abandon()
        else:
            stream.publish([ending])

    def abandon_all(self) -> None:
        """The process ends: every reader is let go without an end, to come back to the next one."""
        for stream in list(self._live.values()):
            self.close(stream, None)

    def subscribe(self, stream: RunStream, after: int, *, values: Values = "all") -> AsyncGenerator[list[Event], None]:
        """Batches of events past `after`, until the end event; without one when the stream was abandoned.

        From this call on (not from the first iteration) the stream keeps what this reader will ask for. Iterating
        raises `GapError` when events between are kept nowhere any more.
        """
        stream.readers += 1
        return self._follow(stream, after, values)

    async def _follow(self, stream: RunStream, after: int, values: Values) -> AsyncGenerator[list[Event], None]:
        try:
            while True:
                events = await self._past(stream, after, values)
                if events:
                    after = events[-1].event_id
                    yield events
                    if events[-1].name == END:
                        return
                elif stream.ended:
                    return
                else:
                    await stream.changed(after)
        finally:
            stream.readers -= 1

    async def _past(self, stream: RunStream, after: int, values: Values) -> list[Event]:
        try:
            return stream.after(after)
        except GapError:
            kept = stream.resumable or self.store.shared
            events = await self._stored(stream.run_id, after, values) if kept else []
            if not events or events[0].event_id != after + 1:
                raise
            return events

    async def replay(
        self, run_id: str, status: str, after: int, *, attempt: int, resumable: bool, values: Values = "all"
    ) -> AsyncGenerator[list[Event], None]:
        """What is kept of a run that has ended, past an id, and in any case its end; `GapError` as `subscribe`.

        Of a run that is not `resumable` only the end is: anything else was its first readers' alone.
        """
        if not resumable:
            after = max(after, await self.store.last_id(run_id) - 1)
        await self.store.require_kept(run_id, after)
        ended = False
        while events := await self._stored(run_id, after, values):
            after, ended = events[-1].event_id, events[-1].name == END
            yield events
        if not ended:
            data = json.dumps({"run_id": run_id, "status": status})
            yield [Event(after + 1, END, data, attempt, self._now())]

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    async def _stored(self, run_id: str, after: int, values: Values) -> list[Event]:
        return [await self._whole(run_id, stored, values) for stored in await self.store.page(run_id, after)]

    async def _whole(self, run_id: str, stored: StoredEvent, values: Values) -> Event:
        if stored.checkpoint_id is None or stored.event.size or values == "none":
            return stored.event
        try:
            return replace(stored.event, beginning=await self._rebuild(run_id, stored.checkpoint_id))
        except GapError:
            if values == "all":
                raise
            return stored.event


def parse_last_event_id(header: str | None) -> int | None:
    """`-1`, `0` and `-` mean from the start; nothing means from now on."""
    if header is None or not header.strip():
        return None
    text = header.strip()
    if text in ("-", "-1"):
        return 0
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise LastEventIdError(f"Last-Event-ID must be a number this server sent, not {text[:40]!r}")
    return int(text)


class LastEventIdError(ThreadkeepError):
    """Last-Event-ID is not an id of this server."""
