"""Cutting what is to be summarised into pieces that one call can take.

Whole turns stay together where they fit. A message that alone is too long is cut between words, and its parts overlap a
little, so that a sentence at the cut stands whole in one of them.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from langchain_core.messages import AIMessage, AnyMessage
from typing_extensions import TypedDict

from nodes.memory import Turn
from nodes.tokens import text_tokens

OVERLAP = 200
"""Characters that stand in both parts of a message that is cut (fewer when the message is short)."""
SHORTEST = 50
"""Characters below which no text is cut."""


class Told(TypedDict):
    """One message, or a part of it, as the summariser is shown it."""

    role: str
    text: str


class Piece(NamedTuple):
    """What one call is shown. `until` is the id of the turn's last message when a turn ends here, else None."""

    told: list[Told]
    until: str | None

    @property
    def tokens(self) -> int:
        return _size(self.told)


def pieces(dropped: Sequence[Turn], tokens: int) -> list[Piece]:
    """The dropped turns in pieces of at most `tokens` tokens, every message in some piece."""
    found: list[Piece] = []
    for turn in dropped:
        packed = _packed([part for message in turn for part in _parts(message, tokens)], tokens)
        if found and len(packed) == 1 and found[-1].until and found[-1].tokens + _size(packed[0]) <= tokens:
            found[-1] = Piece(found[-1].told + packed[0], turn[-1].id)
        else:
            found += [Piece(told, None) for told in packed[:-1]]
            found.append(Piece(packed[-1], turn[-1].id))
    return found


def halves(piece: Piece) -> list[Piece]:
    """The piece in two or more smaller ones; itself alone when it cannot be cut any further."""
    told, middle = piece.told, len(piece.told) // 2
    if middle:
        return [Piece(told[:middle], None), Piece(told[middle:], piece.until)]
    texts = [text for one in told for text in _cut(one["text"], text_tokens(one["text"]) * 2 // 3)]
    if len(texts) < 2:
        return [piece]
    parts = [Piece([Told(role=told[0]["role"], text=text)], None) for text in texts]
    return [*parts[:-1], parts[-1]._replace(until=piece.until)]


def _parts(message: AnyMessage, tokens: int) -> list[Told]:
    text = str(message.text)
    if isinstance(message, AIMessage):
        calls = [f"{call['name']} {json.dumps(call['args'], ensure_ascii=False)}" for call in message.tool_calls]
        text = "\n".join([*filter(None, [text]), *calls])
    return [Told(role=message.type, text=part) for part in _cut(text, tokens) if part]


def _cut(text: str, tokens: int) -> list[str]:
    if text_tokens(text) <= tokens or len(text) <= SHORTEST:
        return [text]
    middle = len(text) // 2
    overlap = min(OVERLAP, len(text) // 8)
    begin = text.find(" ", middle - overlap, middle) + 1 or middle - overlap
    end = text.rfind(" ", middle, middle + overlap)
    return [*_cut(text[: end if end > 0 else middle], tokens), *_cut(text[begin:], tokens)]


def _packed(parts: Sequence[Told], tokens: int) -> list[list[Told]]:
    packed: list[list[Told]] = [[]]
    for part in parts:
        if packed[-1] and _size([*packed[-1], part]) > tokens:
            packed.append([])
        packed[-1].append(part)
    return packed


def _size(told: Sequence[Told]) -> int:
    return sum(4 + text_tokens(one["text"]) for one in told)
