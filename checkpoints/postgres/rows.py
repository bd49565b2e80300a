"""What a checkpoint and its writes are as rows, and back. Nothing here waits: a value is stored as it is now.

LangGraph's saver keeps short values inside the checkpoint's own row, as JSON. Only what JSON gives back the same goes
there, no long text, which would be stored again with every step, and nothing that is to be encrypted; the rest is a
blob for each version of a channel.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot

_LONGEST_INSIDE = 200


class CheckpointRow(NamedTuple):
    thread_id: str
    checkpoint_ns: str
    checkpoint_id: str
    parent_id: str | None
    run_id: str | None
    checkpoint: str
    metadata: str
    channels: list[str]
    versions: list[str]
    types: list[str]
    blobs: list[bytes]

    def bytes(self) -> int:
        return len(self.checkpoint) + len(self.metadata) + sum(map(len, self.blobs))


class WriteRows(NamedTuple):
    places: list[int]
    channels: list[str]
    types: list[str]
    blobs: list[bytes]


def checkpoint_row(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    new_versions: ChannelVersions,
    serde: SerializerProtocol,
) -> CheckpointRow:
    configurable = config["configurable"]
    readable = not isinstance(serde, EncryptedSerializer)
    inside: dict[str, Any] = {}
    outside: dict[str, Any] = {}
    for channel, value in checkpoint["channel_values"].items():
        (inside if readable and _same_as_json(value) else outside)[channel] = value
        if isinstance(value, _DeltaSnapshot):
            inside[channel] = True  # how a reader of the history knows that there is a snapshot
    written = [channel for channel in new_versions if channel in outside]
    typed = [serde.dumps_typed(outside[channel]) for channel in written]
    # LangGraph takes the NUL, which PostgreSQL cannot keep, out of the values alone.
    described: dict[str, Any] = {
        key.replace("\0", "\ufffd"): value
        for key, value in get_serializable_checkpoint_metadata(config, metadata).items()
    }
    return CheckpointRow(
        thread_id=str(configurable["thread_id"]),
        checkpoint_ns=configurable.get("checkpoint_ns", ""),
        checkpoint_id=checkpoint["id"],
        parent_id=configurable.get("checkpoint_id"),
        run_id=run_of(config) or described.get("run_id"),
        checkpoint=json.dumps({**checkpoint, "channel_values": inside}),
        metadata=json.dumps(described),
        channels=written,
        versions=[str(new_versions[channel]) for channel in written],
        types=[kind for kind, _ in typed],
        blobs=[data for _, data in typed],
    )


def write_rows(writes: Sequence[tuple[str, Any]], serde: SerializerProtocol) -> WriteRows:
    """In one statement no row may be written twice: of writes for the same place the last one counts."""
    placed = {WRITES_IDX_MAP.get(channel, place): (channel, value) for place, (channel, value) in enumerate(writes)}
    typed = [serde.dumps_typed(value) for _, value in placed.values()]
    return WriteRows(
        places=list(placed),
        channels=[channel for channel, _ in placed.values()],
        types=[kind for kind, _ in typed],
        blobs=[data for _, data in typed],
    )


def replaces(writes: Sequence[tuple[str, Any]]) -> bool:
    """Whether these are writes, such as an interrupt's, of which a later one takes the place of what is stored."""
    return all(channel in WRITES_IDX_MAP for channel, _ in writes)


def run_of(config: RunnableConfig) -> str | None:
    run_id = (config.get("metadata") or {}).get("run_id") or config["configurable"].get("run_id")
    return None if run_id is None else str(run_id)


def _same_as_json(value: Any) -> bool:
    if type(value) is str:
        # A NUL or half a surrogate pair is no text to PostgreSQL.
        return len(value) <= _LONGEST_INSIDE and value.isprintable()
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) in (bool, int)
