"""What is kept for readers takes no more memory than it says."""

from __future__ import annotations

import tracemalloc

from threadkeep import json
from threadkeep.streams.live import Event, RunStream

EVENTS = 200
TEXT = "x" * 600


def test_an_event_that_is_kept_takes_no_more_memory_than_its_bytes() -> None:
    json.dumps_to_keep(TEXT)
    tracemalloc.start()
    try:
        kept = [json.dumps_to_keep({"number": number, "text": TEXT}) for number in range(EVENTS)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * sum(map(len, kept))


def test_the_metadata_that_come_with_each_token_of_a_message_are_kept_once() -> None:
    stream = RunStream("run", resumable=False, buffer_bytes=10_000_000)
    tracemalloc.start()
    try:
        for number in range(1, EVENTS + 1):
            beginning, end = stream.encoded([{"content": f"token {number}"}, {"node": TEXT}])
            stream.publish([Event(number, "messages", beginning, end=end)])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < EVENTS * len(TEXT) / 2
    assert [json.loads(event.data)[1] for event in stream.after(0)] == [{"node": TEXT}] * EVENTS


def test_each_token_is_shown_with_the_metadata_it_came_with() -> None:
    stream = RunStream("run", resumable=False, buffer_bytes=10_000)
    shown = [[number, {"step": step}] for number, step in enumerate([1, 1, 2, 1, 2, 2])]
    for event_id, data in enumerate([*shown, {"no": "pair"}, ["one"]], 1):
        beginning, end = stream.encoded(data)
        stream.publish([Event(event_id, "messages", beginning, end=end)])
    assert [json.loads(event.data) for event in stream.after(0)] == [*shown, {"no": "pair"}, ["one"]]
