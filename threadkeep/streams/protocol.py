"""The thread protocol (`langchain-protocol`): what a run's log shows, as events of its channels.

Events are made from the log when they are read, so a run is stored once, whoever reads it. What a frame becomes follows
from the frames before it alone: reading a run again gives the same events under the same ids, which is what clients
rely on when they come back. A frame's events are numbered in its own range; the end has a fixed number, so that it is
the same event whether or not what led to it is still kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from threadkeep import json
from threadkeep.streams.frames import CHECKPOINT_IDS
from threadkeep.streams.live import END, Event
from threadkeep.streams.protocol_frames import Draft, Frames, Outcome, RunFacts
from threadkeep.streams.subscription import Subscription

STREAM_MODES = ("values", "updates", "messages-tuple", "custom", "tasks", "tools", "lifecycle", CHECKPOINT_IDS)
"""What a run has to stream so that every channel has something to show."""

EVENTS_A_FRAME = 100
SEQUENCES_A_RUN = 1_000_000_000
LAST_OF_A_RUN = SEQUENCES_A_RUN - 1
"""The number of a run's end, counted from its `first_sequence`."""
_END_FRAME = SEQUENCES_A_RUN - EVENTS_A_FRAME


@dataclass(frozen=True, slots=True)
class ProtocolEvent:
    seq: int
    event_id: str
    method: str
    namespace: tuple[str, ...]
    at: int
    data: bytes
    node: str | None = None

    def encode(self) -> bytes:
        """The event's JSON, with its data as it was stored."""
        node = b"" if self.node is None else b'"node":' + json.dumps(self.node) + b","
        return b'{"type":"event","event_id":%s,"seq":%d,"method":"%s","params":{"namespace":%s,"timestamp":%d,%s' % (
            json.dumps(self.event_id),
            self.seq,
            self.method.encode(),
            json.dumps(self.namespace),
            self.at,
            node + b'"data":' + self.data + b"}}",
        )


def first_sequence(sequence: int) -> int:
    """A number before any event of the run and after all of the run before it."""
    return sequence * SEQUENCES_A_RUN


def place_of(since: int) -> tuple[int, int]:
    """The run's place in the order of acceptance and the frame within it that a number belongs to."""
    sequence, within = divmod(since, SEQUENCES_A_RUN)
    return sequence, within // EVENTS_A_FRAME


class RunEvents:
    """Turns one run's frames, read in order from its first, into the events that one reader wants."""

    def __init__(self, facts: RunFacts, wanted: Subscription) -> None:
        self._facts = facts
        self._wanted = wanted
        self._held: list[Draft] = []
        self._held_at: tuple[str, ...] | None = None
        self._frames = Frames(facts, wanted)

    def of(self, event: Event, outcome: Outcome | None = None) -> Iterator[ProtocolEvent]:
        """The events of one frame; the last frame of a run comes with its outcome."""
        mode, *steps = event.name.split("|")
        namespace = tuple(steps)
        found = list(self._frames.drafts(mode, namespace, event, outcome))
        held, held_at, self._held, self._held_at = self._held, self._held_at, [], None
        # Clients expect a checkpoint before the values it holds; LangGraph tells of it right after them.
        found = [*found, *held] if mode in ("checkpoints", CHECKPOINT_IDS) and held_at == namespace else [*held, *found]
        if mode == END:
            # Counted from its end: what not every reader looks at comes first.
            broken = [draft for draft in found if draft.channel == "messages"]
            found = [*broken, *(draft for draft in found if draft.channel != "messages")]
        if mode == "values" and self._facts.pairs_values:
            keep = len(held)
            self._held, self._held_at, found = found[keep:], namespace, found[:keep]
        yield from self._numbered(event, found)

    def _numbered(self, event: Event, drafts: list[Draft]) -> Iterator[ProtocolEvent]:
        over = event.name == END
        base = first_sequence(self._facts.sequence) + (_END_FRAME if over else event.event_id * EVENTS_A_FRAME)
        # The last events of a frame count; should it have too many, its first ones share a number.
        surplus = max(len(drafts) - EVENTS_A_FRAME, 0)
        skipped = EVENTS_A_FRAME - len(drafts) if over else -surplus
        for place, draft in enumerate(drafts):
            seq = base + max(place + skipped, 0)
            shared = 0 < surplus >= place
            since = self._wanted.since
            if not draft.data or not self._wanted.matches(draft.channel, draft.namespace):
                continue  # without data: values whose checkpoint is gone, or that this reader did not want
            if since is not None and (seq < since or (seq == since and not shared)):
                continue
            event_id = f"{seq}.{place}" if shared else str(seq)
            if draft.method == "lifecycle" and not draft.namespace:
                event_id = f"synth:{self._facts.run_id}:{seq}"  # where the JavaScript SDK looks for the run's id
            yield ProtocolEvent(seq, event_id, draft.method, draft.namespace, event.at, draft.data, draft.node)
