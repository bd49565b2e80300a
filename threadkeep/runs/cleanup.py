"""Carries out what was decided about a thread's checkpoints: undone runs, deleted threads.

Each decision stands in the server's file first. It is done before the thread's next run starts, and whatever a crash
left over is done at the next start.
"""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from threadkeep.errors import UnsupportedError
from threadkeep.runs.savers import flush, offers
from threadkeep.storage.intents import Intent, Intents
from threadkeep.streams.event_store import EventStore


class Cleanup:
    def __init__(self, intents: Intents, saver: BaseCheckpointSaver[Any], events: EventStore) -> None:
        self._intents = intents
        self._saver = saver
        self._events = events

    async def finish_all(self) -> int:
        """Everything left over; how many things that were."""
        left = await self._intents.open_ones()
        for intent in left:
            await self._carry_out(intent)
        return len(left)

    async def finish_thread(self, thread_id: str) -> None:
        """Whatever was decided about the thread. Nothing runs on it if it is to go."""
        for intent in await self._intents.open_ones(thread_id):
            await self._carry_out(intent)

    async def undo_runs(self, thread_id: str) -> None:
        """Only what was decided about runs of the thread: if it is to go itself, that is for whoever stops its runs."""
        for intent in await self._intents.open_ones(thread_id):
            if intent.kind == "delete_run":
                await self._carry_out(intent)

    async def decide_deletion(self, thread_id: str) -> None:
        """From here on no run is accepted on the thread, and `finish_thread`, or the next start, removes it."""
        await self._intents.add(Intent("delete_thread", thread_id))

    def require(self, method: str) -> None:
        """`UnsupportedError` when the saver does not offer one of the optional methods of `BaseCheckpointSaver`."""
        if not offers(self._saver, method):
            raise UnsupportedError(
                f"The configured checkpointer ({type(self._saver).__name__}) does not offer `{method}`."
            )

    async def _carry_out(self, intent: Intent) -> None:
        match intent.kind:
            case "delete_thread":
                await self._saver.adelete_thread(intent.thread_id)
                await self._events.forget_thread(intent.thread_id)  # or all would go at once, with the thread's row
            case "delete_run" if offers(self._saver, "adelete_for_runs"):
                await self._saver.adelete_for_runs([str(intent.run_id)])
        await flush(self._saver)  # or a power cut could bring back what nobody would remove again
        await self._intents.done(intent)
