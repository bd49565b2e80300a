"""Which values a search's filter lets through: fields to be equal, objects in part, lists whole, or comparisons.

As LangGraph's InMemoryStore has it, but for what that one raises on: a comparison with a field that is missing or of
another kind matches nothing, and text that is no number compares as text (ISO dates do).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

Filter = Mapping[str, Any]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
OPERATORS = ("$eq", "$ne", *_ORDER)


def check_filter(wanted: Any) -> None:
    """Raises `ValueError` for an operator that does not exist, wherever in the filter it stands."""
    if isinstance(wanted, Mapping):
        if _compares(wanted):
            for name in wanted:
                if name not in OPERATORS:
                    raise ValueError(f"Unsupported operator: {name}. There are {', '.join(OPERATORS)}.")
        else:
            for item in wanted.values():
                check_filter(item)
    elif isinstance(wanted, list | tuple):
        for item in wanted:
            check_filter(item)


def matches(value: Mapping[str, Any], wanted: Filter) -> bool:
    """Whether every field that the filter names is as it wants it."""
    return all(_equal(value.get(key), item) for key, item in wanted.items())


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if _compares(wanted):
            return all(_holds(name, value, operand) for name, operand in wanted.items())
        return isinstance(value, Mapping) and matches(value, wanted)
    if isinstance(wanted, list | tuple):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(wanted)
            and all(_equal(one, other) for one, other in zip(value, wanted, strict=True))
        )
    return bool(value == wanted)


def _compares(wanted: Mapping[str, Any]) -> bool:
    return any(name.startswith("$") for name in wanted)


def _holds(name: str, value: Any, operand: Any) -> bool:
    if name == "$eq":
        return bool(value == operand)
    if name == "$ne":
        return bool(value != operand)
    try:
        return _ORDER[name](float(value), float(operand))
    except (TypeError, ValueError, OverflowError):
        return isinstance(value, str) and isinstance(operand, str) and _ORDER[name](value, operand)
