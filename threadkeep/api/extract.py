"""Paths into a thread's row, as thread search takes them: `values.messages[-1].content`."""

from __future__ import annotations

import re
from typing import Any

from threadkeep.errors import InvalidError

_STEP = re.compile(r"(?:^|\.)([^.\[\]]+)|\[(-?\d{1,9})\]")


def parse_path(path: str) -> list[str | int]:
    """Keys and array places, in order; `InvalidError` for anything that is no such path."""
    steps: list[str | int] = []
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            break
        steps.append(found[1] if found[2] is None else int(found[2]))
        position = found.end()
    if position < len(path) or not steps or isinstance(steps[0], int):
        raise InvalidError(f"extract: {path!r} is not a path such as values.messages[-1].content")
    return steps


def extracted(row: Any, steps: list[str | int]) -> Any:
    """What stands at the path; None when nothing does."""
    for step in steps:
        if isinstance(step, int):
            if not isinstance(row, list) or not -len(row) <= step < len(row):
                return None
            row = row[step]
        else:
            row = row.get(step) if isinstance(row, dict) else None
    return row
