"""From a run's frames to numbered events: the same ones whoever reads, from wherever."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

from threadkeep import json
from threadkeep.errors import BadRequestError
from threadkeep.streams.live import END, Event
from threadkeep.streams.protocol import LAST_OF_A_RUN, ProtocolEvent, RunEvents, first_sequence
from threadkeep.streams.protocol_frames import Outcome, RunFacts
from threadkeep.streams.subscription import CHANNELS, Subscription

FACTS = RunFacts("run", "graph", 3, pairs_values=True)
QUESTION = {"id": "q", "value": "sure?"}


def frames(*shown: tuple[str, Any]) -> list[Event]:
    return [Event(place, name, json.dumps(data), at=place) for place, (name, data) in enumerate(shown, 1)]


def seen(
    run: list[Event], outcome: Outcome | None = None, *channels: str, since: int | None = None
) -> list[ProtocolEvent]:
    events = RunEvents(FACTS, Subscription(frozenset(channels or CHANNELS), since=since))
    return [made for frame in run for made in events.of(frame, outcome)]


def data(event: ProtocolEvent) -> Any:
    return json.loads(event.data)


WHOLE = frames(
    ("metadata", {"run_id": "run", "attempt": 1}),
    ("values", {"n": 1}),
    ("checkpoint_ids", {"id": "c1", "step": 0, "source": "loop"}),
    ("messages", [AIMessageChunk(content="a", id="m"), {"langgraph_node": "speak"}]),
    ("updates|sub:1", {"ask": {"n": 2}, "__interrupt__": [QUESTION]}),
    ("values", {"n": 2, "__interrupt__": [QUESTION]}),
    (END, {"run_id": "run", "status": "success"}),
)
STOPPED = Outcome("success", interrupts=(QUESTION,))


def test_events_are_numbered_in_order_and_the_end_is_always_the_same() -> None:
    events = seen(WHOLE, STOPPED)
    assert [event.method for event in events] == [
        "lifecycle",
        "checkpoints",
        "values",
        "messages",
        "messages",
        "messages",
        "updates",
        "messages",
        "values",
        "input.requested",
        "lifecycle",
    ]
    numbers = [event.seq for event in events]
    assert numbers == sorted(set(numbers))
    assert first_sequence(3) < numbers[0]
    assert numbers[-1] == first_sequence(3) + LAST_OF_A_RUN
    assert seen(WHOLE[-1:], STOPPED)[-1].event_id == events[-1].event_id
    assert data(events[7])["event"] == "error"  # the message that was never finished
    assert (events[-2].namespace, data(events[-2])["payload"]) == (("sub:1",), "sure?")
    assert data(events[8]) == {"n": 2}


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_narrower_reader_sees_the_same_events_under_the_same_numbers(channel: str) -> None:
    whole = seen(WHOLE, STOPPED)
    wanted = "input.requested" if channel == "input" else channel
    assert seen(WHOLE, STOPPED, channel) == [event for event in whole if event.method == wanted]


def test_a_reader_that_comes_back_sees_the_rest() -> None:
    whole = seen(WHOLE, STOPPED)
    for place, event in enumerate(whole):
        assert seen(WHOLE, STOPPED, since=event.seq) == whole[place + 1 :]


def test_a_frame_of_very_many_events_loses_none_to_a_reader_that_comes_back() -> None:
    blocks = [{"type": "text", "text": str(number)} for number in range(70)]
    run = frames(("metadata", {"attempt": 1}), ("messages", [AIMessage(blocks, id="m"), {}]))
    whole = seen(run)
    assert len({event.event_id for event in whole}) == len(whole) > 200
    assert [event.seq for event in whole] == sorted(event.seq for event in whole)
    for place in (0, 1, 50, 150, 210):
        after = seen(run, since=whole[place].seq)
        assert {event.event_id for event in whole[place + 1 :]} <= {event.event_id for event in after}


def test_a_run_that_is_taken_up_again_ends_what_it_had_begun_to_say() -> None:
    again = [*WHOLE[:4], *[Event(5, "metadata", json.dumps({"attempt": 2}))]]
    running, broken = seen(again)[-2:]
    assert data(running)["event"] == "running"
    assert (broken.method, data(broken)["event"], data(broken)["id"]) == ("messages", "error", "m")


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome("success"), {"event": "completed"}),
        (STOPPED, {"event": "interrupted"}),
        (Outcome("success", interrupts=()), {"event": "interrupted"}),
        (Outcome("error", "ValueError: no"), {"event": "failed", "error": "ValueError: no"}),
        (Outcome("timeout"), {"event": "failed", "error": "The run ended as timeout."}),
        (Outcome("interrupted"), {"event": "failed", "error": "The run was cancelled."}),
    ],
)
def test_a_run_ends_as_its_row_says(outcome: Outcome, told: dict[str, str]) -> None:
    assert data(seen(WHOLE, outcome, "lifecycle")[-1]) == {**told, "graph_name": "graph"}


def test_namespaces_are_prefixes_with_or_without_their_task() -> None:
    wanted = Subscription(frozenset({"values", "custom"}), namespaces=(("a",), ("b:1", "c")), depth=1)
    assert wanted.matches("values", ("a:7",))
    assert wanted.matches("custom:mine", ("a:7", "x:1"))
    assert not wanted.matches("values", ("a:7", "x:1", "y:2"))
    assert wanted.matches("values", ("b:1", "c:9"))
    assert not wanted.matches("values", ("b:2", "c:9"))
    assert not wanted.matches("values", ())
    assert not wanted.matches("updates", ("a:7",))
    with pytest.raises(BadRequestError):
        Subscription(frozenset())


def test_an_event_is_written_with_its_data_as_it_was_stored() -> None:
    event = ProtocolEvent(7, "7", "messages", ("a:1",), 5, b'{"event":"x"}', 'no"de')
    assert json.loads(event.encode()) == {
        "type": "event",
        "event_id": "7",
        "seq": 7,
        "method": "messages",
        "params": {"namespace": ["a:1"], "timestamp": 5, "node": 'no"de', "data": {"event": "x"}},
    }
