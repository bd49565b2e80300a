"""Long reads on a connection of their own: listing history, and replaying the writes of a DeltaChannel.

A scan reads page by page and holds neither a lock nor a transaction between pages, so that a listing left open blocks
no run and keeps no WAL alive. It sees what was committed when each checkpoint was read.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, DeltaChannelHistory, PendingWrite
from langgraph.checkpoint.serde.base import SerializerProtocol

from checkpoints.file import CheckpointFile, Found, checkpoint_tuple, fetch, names, recall_lists
from checkpoints.hot import HotNamespace
from checkpoints.reading import Skeleton, parents

if TYPE_CHECKING:
    from collections.abc import Mapping

_BODIES = ("values", "checkpoints", "writes")
_FIRST_PAGE, _LARGEST_PAGE = 4, 32  # most listings are read for their first few
_LARGEST_PART = 1_000  # items of lists, in all its checkpoints


def scan(
    file: CheckpointFile,
    serde: SerializerProtocol,
    config: RunnableConfig | None,
    wanted: dict[str, Any] | None,
    before: RunnableConfig | None,
    limit: int | None,
) -> Iterator[list[CheckpointTuple]]:
    """Matching checkpoints in parts, none of them empty."""
    left = limit
    for spaces in _groups(file, config):
        below = _before(before)
        size = _FIRST_PAGE
        while left is None or left > 0:
            with file.scanning:
                ids = _ids(file, spaces, config, below, size)
            matching = (found for key in ids if (found := _find(file, serde, spaces, key, wanted)) is not None)
            for part in _parts(islice(matching, left), serde):
                left = None if left is None else left - len(part)
                yield part
            if len(ids) < size or _names_one(config):
                break
            below, size = (ids[-1][1], ids[-1][0]), min(2 * size, _LARGEST_PAGE)


def _parts(matching: Iterator[Found], serde: SerializerProtocol) -> Iterator[list[CheckpointTuple]]:
    """One by one where they are those of a long thread: whoever looks at them is done with one before the next is
    there.
    """
    part: list[CheckpointTuple] = []
    items = 0
    for found in matching:
        values = found.decode(serde)
        part.append(checkpoint_tuple(found, values))
        items += sum(len(value) for value in values.values() if type(value) is list)
        if items >= _LARGEST_PART:
            yield part
            part, items = [], 0
    if part:
        yield part


def _groups(file: CheckpointFile, config: RunnableConfig | None) -> Iterator[dict[int, HotNamespace]]:
    """The namespaces to list: a thread's together, all threads' one by one."""
    with file.scanning:
        found = file.scanner.namespaces(None if config is None else names(config)[0])
    spaces = {id: HotNamespace(id, thread_id, ns, "", stored=True) for id, thread_id, ns in found}
    if config is None:
        yield from ({id: space} for id, space in spaces.items())
        return
    only = config["configurable"].get("checkpoint_ns")
    if only is not None:
        spaces = {id: space for id, space in spaces.items() if space.checkpoint_ns == only}
    if spaces:
        yield spaces


def _names_one(config: RunnableConfig | None) -> bool:
    return config is not None and bool(config["configurable"].get("checkpoint_id"))


def _before(before: RunnableConfig | None) -> tuple[str, int] | None:
    checkpoint_id = None if before is None else before["configurable"].get("checkpoint_id")
    return (checkpoint_id, -1) if checkpoint_id else None


def _ids(
    file: CheckpointFile,
    spaces: dict[int, HotNamespace],
    config: RunnableConfig | None,
    below: tuple[str, int] | None,
    size: int,
) -> list[tuple[int, str]]:
    if config is not None and _names_one(config):
        only = config["configurable"]["checkpoint_id"]
        return [(space, only) for space in spaces if below is None or only < below[0]]
    return file.scanner.checkpoint_ids(list(spaces), below=below, limit=size)


def _find(
    file: CheckpointFile,
    serde: SerializerProtocol,
    spaces: dict[int, HotNamespace],
    key: tuple[int, str],
    wanted: dict[str, Any] | None,
) -> Found | None:
    with file.scanning:
        space = spaces[key[0]]
        skeleton = file.scanner.skeleton(*key, serde)
        if skeleton is None or not _matches(skeleton, wanted):
            return None
        writes = file.scanner.writes(*key, serde)
        with file.journal.lock:
            hot = file.hot.get(space.thread_id, space.checkpoint_ns)
            found = Found(hot or space, skeleton, writes)
            recall_lists(found)
        fetch(found, file.scanner, serde)
        return found


def _matches(skeleton: Skeleton, wanted: dict[str, Any] | None) -> bool:
    return not wanted or all(skeleton.metadata.get(name) == value for name, value in wanted.items())


def delta_history(
    file: CheckpointFile, serde: SerializerProtocol, config: RunnableConfig, channels: Sequence[str]
) -> "Mapping[str, DeltaChannelHistory]":
    """For each channel the writes since the nearest ancestor that stores its value, and that value as `seed`."""
    history: dict[str, DeltaChannelHistory] = {channel: {"writes": []} for channel in channels}
    thread_id, checkpoint_ns = names(config)
    with file.scanning:
        namespace = file.scanner.namespace_id(thread_id, checkpoint_ns)
        checkpoint_id = config["configurable"].get("checkpoint_id")
        if namespace is not None and checkpoint_id is None:
            checkpoint_id = file.scanner.newest_id(namespace)
        if namespace is None or checkpoint_id is None:
            return history
        space = HotNamespace(namespace, thread_id, checkpoint_ns, "", stored=True)
        collected: dict[str, list[PendingWrite]] = {channel: [] for channel in channels}
        for ancestor in parents(file.scanner, namespace, checkpoint_id, serde):
            for write in reversed(file.scanner.writes(namespace, ancestor.checkpoint_id, serde)):
                if write[1] in collected:
                    collected[write[1]].append(write)
            for channel in [one for one in collected if ancestor.refs.get(one, (None, None))[1] is not None]:
                history[channel] = {
                    "writes": collected.pop(channel)[::-1],
                    "seed": _value(file, space, ancestor, channel, serde),
                }
            if not collected:
                break
        for channel, writes in collected.items():
            history[channel]["writes"] = writes[::-1]
    return history


def _value(
    file: CheckpointFile, space: HotNamespace, skeleton: Skeleton, channel: str, serde: SerializerProtocol
) -> Any:
    only = Skeleton(skeleton.checkpoint_id, {}, {}, None, {channel: skeleton.refs[channel]})
    found = Found(space, only, [])
    recall_lists(found)  # nothing is remembered of this space: all is fetched
    fetch(found, file.scanner, serde)
    return found.decode(serde)[channel]


def thread_bytes(file: CheckpointFile, thread_id: str) -> dict[str, int]:
    """What the bodies of a thread add up to, by what they are."""
    with file.scanning:
        return {
            name: sum(file.scanner.body_bytes(space, name) for space, *_ in file.scanner.namespaces(thread_id))
            for name in _BODIES
        }
