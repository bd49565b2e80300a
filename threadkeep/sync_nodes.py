"""The threads that sync nodes and sync tools run in: enough of them, and none that anybody waits for at the end.

asyncio's own choice (a few more than there are processors) lets a handful of nodes that block hold up every sync tool
of every other run. And when the loop ends it waits for all of them, so that one blocked node would keep a stopping
server alive for as long as it blocks; by then all that counts is stored, and what such a thread still does is lost.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

_NAME = "sync-node"
_A_RUN = 4
"""Nodes of one run may be sync and parallel; threads are only made when needed."""


class SyncThreads(ThreadPoolExecutor):
    def __init__(self, runs: int) -> None:
        super().__init__(runs * _A_RUN, thread_name_prefix=_NAME)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go of the threads at once, whatever `wait` says: idle ones end by themselves."""
        super().shutdown(wait=False, cancel_futures=True)


def leave_blocked_threads() -> None:
    """End the process now if a sync node still blocks; otherwise return. Python itself would wait for its thread."""
    if any(thread.name.startswith(_NAME) for thread in threading.enumerate()):
        leave_now()


def leave_now() -> None:
    """End the process as one that was asked to; everything that counts is stored."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
