"""Counting tokens without a download: a rule of thumb, which reported usage corrects where there is any."""

import json
from collections.abc import Sequence

from langchain_core.messages import BaseMessage


def estimated_tokens(messages: Sequence[BaseMessage]) -> int:
    """Tokens by rule of thumb: those of the text and the tool calls, and four for each message."""
    total = 0
    for message in messages:
        text = str(message.text) + json.dumps(getattr(message, "tool_calls", None) or "", ensure_ascii=False)
        total += 4 + text_tokens(text)
    return total


def text_tokens(text: str) -> int:
    """Tokens by rule of thumb: four ASCII characters make one, any other character is one."""
    ascii_only = len(text.encode("ascii", "ignore"))
    return ascii_only // 4 + len(text) - ascii_only
