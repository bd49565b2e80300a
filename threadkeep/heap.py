"""The garbage collector's pace: what was there when the server opened is not looked at again, and young objects rarely.

A run makes some thousand objects that live as long as it does. At Python's own pace the collector walks all of them,
and all modules, over and over: a quarter of the processor's time, and with many open streams a pause that readers see.
"""

from __future__ import annotations

import gc

_PACE = (20_000, 1, 100)
"""Young objects before the youngest are looked at; how many such looks before those that stayed are; and those, all.

The second bounds a pause that comes often: some 40,000 objects. The last makes the one that grows with the open streams
rare: runs leave next to nothing that only it would find.
"""


def settle_heap() -> None:
    """Call once, when everything that stays is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_PACE)
