"""The event loop under the server, which somebody else's code can neither end nor keep from ending.

A node that calls `sys.exit()` (`argparse` in a tool is enough) raises what asyncio lets through to whoever runs the
loop. The task it was raised in knows of it too, so that its run fails as by any other error; the loop just goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from threadkeep.sync_nodes import leave_blocked_threads, leave_now

log = structlog.get_logger("threadkeep")

_LAST_SECONDS = 3.0


def run_loop(
    main: Coroutine[Any, Any, None], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> None:
    """Run until `main` is done, then end what is left; the process too, where a node will not be cancelled."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        loop = runner.get_loop()
        asyncio.set_event_loop(loop)
        task = loop.create_task(main)
        while not task.done():
            try:
                loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt) as error:
                if task.done():
                    raise
                log.error("end_refused", error=repr(error), reason="a graph may not end the server")
        if _cancelled_in_vain(loop):
            leave_now()
    leave_blocked_threads()


def _cancelled_in_vain(loop: asyncio.AbstractEventLoop) -> bool:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    return bool(left) and bool(loop.run_until_complete(asyncio.wait(left, timeout=_LAST_SECONDS))[1])
