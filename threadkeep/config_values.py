"""Taking values out of `langgraph.json`: each getter gives one of its kind, or stops the start with what is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadkeep.errors import StartupError


@dataclass(frozen=True, slots=True)
class Target:
    """`path:variable`, where `path` is a file beside `langgraph.json` or a module's name."""

    path: str
    variable: str

    def __str__(self) -> str:
        return f"{self.path}:{self.variable}"


class ConfigValues:
    """Getters for one file; `place` is where the object they look into stands in it, such as `http.`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def wrong(self, key: str, value: object, allowed: str) -> StartupError:
        shown = json.dumps(value, default=str)[:200]
        return StartupError(f"{self.path}: `{key}` is {shown}, but must be {allowed}.")

    def mapping(self, raw: dict[str, Any], key: str, *, place: str = "") -> dict[str, Any]:
        value = raw.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.wrong(place + key, value, "an object")
        return value

    def strings(self, raw: dict[str, Any], key: str, *, place: str = "") -> list[str]:
        value = raw.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(place + key, value, "a list of strings")
        return value

    def flag(self, raw: dict[str, Any], key: str, *, place: str = "", default: bool = False) -> bool:
        value = raw.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(place + key, value, "true or false")
        return value

    def text(self, raw: dict[str, Any], key: str, *, place: str = "") -> str | None:
        value = raw.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(place + key, value, "a string")
        return value

    def target(self, key: str, value: object) -> Target:
        path, colon, variable = str(value).rpartition(":") if isinstance(value, str) else ("", "", "")
        if not colon or not path or not variable.isidentifier():
            raise self.wrong(key, value, 'a string "path/to/file.py:variable"')
        return Target(path, variable)
