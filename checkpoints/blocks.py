"""Items as they are stored, run by run: what a list is decoded from, whether it was read from the file or just put.

Putting runs together before they are decoded saves most of what a short run costs. That is done to plain msgpack of
LangGraph's own serializer only, where an array is a header and its items one after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from checkpoints.items import MOST, array_header
from checkpoints.records import Packed

Typed = tuple[str, bytes]


@dataclass(slots=True)
class Block:
    """Items as stored: those from `low` to `high` of the list that `typed` encodes, which has `count` of them."""

    typed: Typed
    low: int
    high: int
    count: int
    packed: Sequence[Packed] = ()  # all its items, if they are such as `records.revived` makes

    def load(self, serde: SerializerProtocol) -> list[Any]:
        """New objects, as the serializer makes them."""
        loaded: list[Any] = serde.loads_typed(self.typed)
        return loaded if self.high - self.low == self.count else loaded[self.low : self.high]


def together(blocks: Sequence[Block], serde: SerializerProtocol) -> Sequence[Block]:
    """The same items in as few blocks as can be."""
    if len(blocks) < 2 or type(serde) is not JsonPlusSerializer:
        return blocks
    count = sum(block.count for block in blocks)
    if count > MOST or any(block.typed[0] != "msgpack" or block.high - block.low < block.count for block in blocks):
        return blocks
    items = [block.typed[1][len(array_header(block.count)) :] for block in blocks]
    return [Block(("msgpack", array_header(count) + b"".join(items)), 0, count, count)]
