"""What a graph answered, as text: the last message of the state it came to."""

from __future__ import annotations

from typing import Any


def answer_of(values: Any) -> str | None:
    """The text of the last message, if it is the model's."""
    messages = values.get("messages") if isinstance(values, dict) else None
    if not messages or messages[-1].get("type") != "ai":
        return None
    return text_of(messages[-1]["content"])


def text_of(content: Any) -> str:
    """A message's content is text, or a list of blocks of which some are."""
    if isinstance(content, str):
        return content
    return "".join(
        block.get("text", "") for block in content if isinstance(block, dict) and block.get("type") == "text"
    )
