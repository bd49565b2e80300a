"""`langgraph.json`: which graphs to serve and how, in the official CLI's format.

A wrong value stops the start and names its place and what is allowed; a key that is unknown or not supported here is
named in a warning and otherwise ignored, as the CLI does.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from threadkeep.config_values import ConfigValues, Target
from threadkeep.errors import StartupError
from threadkeep.http_config import KEYS as HTTP_KEYS
from threadkeep.http_config import HttpRules, http_rules
from threadkeep.storage_config import CheckpointerConfig, StorageSections, StoreConfig
from threadkeep.webhook_config import WebhookRules, webhook_rules

# What the official image builder reads; a server that is already installed has no use for it.
_BUILD_KEYS = frozenset(
    {
        "python_version", "node_version", "api_version", "base_image", "image_distro", "pip_config_file",
        "pip_installer", "source", "dockerfile_lines", "keep_pkg_tools", "_INTERNAL_docker_tag", "$schema",
    }
)  # fmt: skip
_SERVED_KEYS = frozenset({"graphs", "dependencies", "env", "checkpointer", "store", "http", "webhooks", "auth"})
_UNSERVED_KEYS = frozenset({"ui", "ui_config", "encryption", "priority", "disable_persistence"})
_USUAL_ENV_FILE = ".env"  # named by habit, whether or not there is one
_GRAPH_ID = re.compile(r"^[A-Za-z0-9_.-]{1,128}$")


@dataclass(frozen=True, slots=True)
class GraphSpec:
    target: Target
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    folder: Path
    graphs: dict[str, GraphSpec]
    dependencies: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    checkpointer: CheckpointerConfig = field(default_factory=CheckpointerConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    cors: dict[str, Any] | None = None
    http: HttpRules = field(default_factory=HttpRules)
    auth: Target | None = None
    webhooks: WebhookRules = field(default_factory=WebhookRules)
    warnings: tuple[str, ...] = ()

    def apply_environment(self) -> None:
        """Set what `env` names, without overriding what is already set."""
        for name, value in self.environment.items():
            if value:
                os.environ.setdefault(name, value)


def load_config(path: Path) -> Config:
    """Read and check the file; raises `StartupError` naming the key, its value and what is allowed."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StartupError(f"There is no {path}. Name your configuration with --config or LANGGRAPH_CONFIG.") from None
    except (OSError, ValueError) as error:
        raise StartupError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(raw, dict):
        raise StartupError(f"{path} must hold a JSON object with a `graphs` key.")
    reader = _Reader(path)
    http = reader.mapping(raw, "http")
    storage = StorageSections(reader)
    return Config(
        folder=path.resolve().parent,
        graphs=reader.graphs(raw.get("graphs")),
        dependencies=reader.dependencies(raw),
        environment=reader.environment(raw.get("env")),
        checkpointer=storage.checkpointer(raw),
        store=storage.store(raw),
        cors=reader.cors(http.get("cors")),
        http=http_rules(reader, http),
        webhooks=webhook_rules(reader, raw, enabled=http.get("disable_webhooks") is not True),
        auth=reader.auth(raw),
        warnings=(*_warnings(raw, http), *storage.warnings, *reader.warnings),
    )


def _warnings(raw: dict[str, Any], http: dict[str, Any]) -> list[str]:
    found = []
    for key in raw:
        if key in _UNSERVED_KEYS:
            found.append(f"langgraph.json: `{key}` is not supported by this server and has no effect.")
        elif key not in _SERVED_KEYS | _BUILD_KEYS:
            found.append(f"langgraph.json: unknown key `{key}`.")
    found += [
        f"langgraph.json: `http.{key}` is not known to this server and has no effect."
        for key in http
        if key not in HTTP_KEYS
    ]
    auth = raw.get("auth")
    if isinstance(auth, dict):
        found += [
            f"langgraph.json: `auth.{key}` is not supported by this server and has no effect."
            for key in auth
            if key not in ("path", "disable_studio_auth")
        ]
    return found


class _Reader(ConfigValues):
    """The sections that are read here; what of them has no effect is named in `warnings`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.warnings: list[str] = []

    def dependencies(self, raw: dict[str, Any]) -> tuple[str, ...]:
        named = self.strings(raw, "dependencies")
        self.warnings += [
            f"langgraph.json: `dependencies` names {one}, and there is no such folder."
            for one in named
            if one.startswith(".") and not (self.path.parent / one).is_dir()
        ]
        return tuple(named)

    def graphs(self, value: object) -> dict[str, GraphSpec]:
        if not isinstance(value, dict) or not value:
            raise self.wrong("graphs", value, 'an object such as {"agent": "./graphs/agent.py:graph"}')
        graphs = {}
        for graph_id, entry in value.items():
            key = f"graphs.{graph_id}"
            if not _GRAPH_ID.match(graph_id):
                raise self.wrong(key, graph_id, "named with letters, digits, `_`, `.` and `-`, at most 128")
            if isinstance(entry, dict):
                description = entry.get("description")
                if description is not None and not isinstance(description, str):
                    raise self.wrong(f"{key}.description", description, "a string")
                self.warnings += [
                    f"langgraph.json: `{key}.{name}` is not known to this server and has no effect."
                    for name in entry
                    if name not in ("path", "description")
                ]
                graphs[graph_id] = GraphSpec(self.target(f"{key}.path", entry.get("path")), description)
            else:
                graphs[graph_id] = GraphSpec(self.target(key, entry))
        return graphs

    def auth(self, raw: dict[str, Any]) -> Target | None:
        """Where the `langgraph_sdk.Auth` object is. Studio has no other way in here, as `disable_studio_auth` asks."""
        section = self.mapping(raw, "auth")
        self.flag(section, "disable_studio_auth", place="auth.")
        return None if section.get("path") is None else self.target("auth.path", section["path"])

    def environment(self, value: object) -> dict[str, str]:
        if value is None:
            return {}
        if isinstance(value, str):
            file = self.path.parent / value
            if not file.is_file() and value != _USUAL_ENV_FILE:
                self.warnings.append(f"langgraph.json: `env` names {value}, and there is no such file.")
            return {name: text or "" for name, text in dotenv_values(file).items()}
        if isinstance(value, dict):
            for name, text in value.items():
                if not isinstance(text, str | int | float):
                    raise self.wrong(f"env.{name}", text, "a string or a number")
            return {name: str(text) for name, text in value.items()}
        raise self.wrong("env", value, "the path of a .env file, or an object of names and values")

    def cors(self, value: object) -> dict[str, Any] | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong("http.cors", value, 'an object such as {"allow_origins": ["https://example.com"]}')
        lists = ("allow_origins", "allow_methods", "allow_headers", "expose_headers")
        place = "http.cors."
        for key in lists:
            self.strings(value, key, place=place)
        self.flag(value, "allow_credentials", place=place)
        age = value.get("max_age")
        if age is not None and (not isinstance(age, int) or isinstance(age, bool) or age < 0):
            raise self.wrong(f"{place}max_age", age, "a whole number of seconds")
        try:
            re.compile(self.text(value, "allow_origin_regex", place=place) or "")
        except re.error as error:
            allowed = f"a regular expression ({error})"
            raise self.wrong(f"{place}allow_origin_regex", value["allow_origin_regex"], allowed) from None
        known = (*lists, "allow_credentials", "allow_origin_regex", "max_age")
        self.warnings += [
            f"langgraph.json: `{place}{key}` is not known to this server and has no effect."
            for key in value
            if key not in known
        ]
        return value
