"""How many bytes a thread takes, as its checkpointer serialises it: checkpoints, channel values, open writes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver


async def thread_bytes(saver: BaseCheckpointSaver[Any], thread_id: str) -> dict[str, Any]:
    """Each version of a channel counts once, however many checkpoints hold it; a saver may need less than this."""
    serialised = saver.serde.dumps_typed
    values: Counter[str] = Counter()
    writes: Counter[str] = Counter()
    seen: set[tuple[str, str, str]] = set()
    checkpoint_bytes = count = 0
    async for found in saver.alist({"configurable": {"thread_id": thread_id}}):
        count += 1
        checkpoint = found.checkpoint
        namespace = found.config["configurable"].get("checkpoint_ns", "")
        checkpoint_bytes += len(serialised({**checkpoint, "channel_values": {}})[1])
        checkpoint_bytes += len(serialised(found.metadata)[1])
        for channel, value in checkpoint["channel_values"].items():
            version = (namespace, channel, str(checkpoint["channel_versions"].get(channel)))
            if version not in seen:
                seen.add(version)
                values[channel] += len(serialised(value)[1])
        for _, channel, value in found.pending_writes or []:
            writes[channel] += len(serialised(value)[1])
    return {
        "thread_id": thread_id,
        "total_bytes": checkpoint_bytes + values.total() + writes.total(),
        "checkpoints": {"count": count, "bytes": checkpoint_bytes},
        "channel_values": {"bytes": values.total(), "by_channel": dict(values)},
        "pending_writes": {"bytes": writes.total(), "by_channel": dict(writes)},
    }
