"""Namespaces as text: each label with a period after it, so that everything under one is a single range of text.

Labels hold no periods (LangGraph refuses them), so `users.ada.` is no beginning of `users.adam.`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from langgraph.store.base import MatchCondition

Namespace = tuple[str, ...]

_END = "."
_AFTER_END = chr(ord(_END) + 1)


def to_text(namespace: Iterable[str]) -> str:
    return "".join(checked(label, "namespace label") + _END for label in namespace)


def from_text(text: str) -> Namespace:
    return tuple(text.split(_END)[:-1])


def text_range(prefix: Sequence[str]) -> tuple[str, str | bytes]:
    """The first text under a prefix, and what comes after the last in SQLite's order, where bytes follow all text."""
    text = to_text(prefix)
    return (text, text[:-1] + _AFTER_END) if text else ("", b"")


def checked(text: str, what: str) -> str:
    """The text itself; `ValueError` when no file can hold it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"The {what} {text!r} holds half of a surrogate pair, which is no text.") from None
    return text


def listed(found: Iterable[Namespace], conditions: Sequence[MatchCondition], max_depth: int | None) -> list[Namespace]:
    """Those that meet all conditions, cut at `max_depth`, each once and in order."""
    matching = (namespace for namespace in found if all(_meets(namespace, condition) for condition in conditions))
    return sorted({namespace[:max_depth] for namespace in matching})


def literal_prefix(conditions: Sequence[MatchCondition]) -> Namespace:
    """The labels that every namespace meeting the conditions begins with."""
    prefixes = [tuple(one.path) for one in conditions if one.match_type == "prefix"]
    begins = [path[: path.index("*")] if "*" in path else path for path in prefixes]
    return max(begins, key=len, default=())


def _meets(namespace: Namespace, condition: MatchCondition) -> bool:
    path = tuple(condition.path)
    if condition.match_type not in ("prefix", "suffix"):
        raise ValueError(f"Unsupported match type: {condition.match_type}")
    if len(namespace) < len(path):
        return False
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[len(namespace) - len(path) :]
    return all(wanted in ("*", label) for wanted, label in zip(path, part, strict=True))
