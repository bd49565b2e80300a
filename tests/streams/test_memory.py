"""What is kept for readers takes no more memory than it says."""

from __future__ import annotations

import tracemalloc

from threadkeep import json

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
