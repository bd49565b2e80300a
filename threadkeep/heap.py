"""The garbage collector's pace: what was there when the server opened is not looked at again, and young objects rarely.

A run makes some thousand objects that live as long as it does. At Python's own pace the collector walks all of them,
and all modules, again and again: a third of the processor's time, and with many open streams a pause that readers see.
"""

from __future__ import annotations

import gc

_YOUNG_OBJECTS = 10_000


def settle_heap() -> None:
    """Call once, when everything that stays is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
