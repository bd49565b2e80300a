"""Stream mode `events`: a run wrapped in LangChain's `astream_events`, with the graph's own stream kept inside it.

Only a run that asks for this mode pays for it. What the graph streams arrives as the root's `on_chain_stream` events;
it is given back in the same parts as everywhere else, so that all other modes look the same beside it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from threadkeep.streams.lifecycle import InnerTask

_INTERRUPT = "__interrupt__"


async def parts_with_events(events: Any, run_id: str) -> AsyncIterator[Mapping[str, Any]]:
    """Each traced event as a part of type `events`, and after it the part that the graph streamed, if it is one."""
    async with aclosing(events):
        async for event in events:
            streamed = event["event"] == "on_chain_stream" and event["run_id"] == run_id
            if not (streamed and isinstance(event["data"]["chunk"][-1], InnerTask)):
                yield {"type": "events", "ns": (), "data": _shown(event)}
            if streamed:
                yield _part(event["data"]["chunk"])


def _part(chunk: tuple[Any, ...]) -> Mapping[str, Any]:
    """A chunk begins with its namespace if subgraphs were asked for."""
    *namespaces, mode, data = chunk
    namespace = namespaces[0] if namespaces else ()
    if mode != "values" or not isinstance(data, dict):
        return {"type": mode, "ns": namespace, "data": data, "interrupts": ()}
    values = {key: item for key, item in data.items() if key != _INTERRUPT}
    return {"type": mode, "ns": namespace, "data": values, "interrupts": data.get(_INTERRUPT, ())}


def _shown(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event without LangGraph's private metadata, which holds live objects."""
    metadata = {key: item for key, item in event.get("metadata", {}).items() if not key.startswith("__pregel")}
    return {**event, "metadata": metadata}
