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
_SERVED_KEYS = frozenset({"graphs", "dependencies", "env", "checkpointer", "store", "http", "webhooks"})
_UNSERVED_KEYS = frozenset({"auth", "ui", "ui_config", "encryption", "priority", "disable_persistence"})
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
        dependencies=tuple(reader.strings(raw, "dependencies")),
        environment=reader.environment(raw.get("env")),
        checkpointer=storage.checkpointer(raw),
        store=storage.store(raw),
        cors=reader.cors(http.get("cors")),
        http=http_rules(reader, http),
        webhooks=webhook_rules(reader, raw, enabled=http.get("disable_webhooks") is not True),
        warnings=(*_warnings(raw, http), *storage.warnings),
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
    return found


class _Reader(ConfigValues):
    """The sections that are read here."""

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
                graphs[graph_id] = GraphSpec(self.target(f"{key}.path", entry.get("path")), description)
            else:
                graphs[graph_id] = GraphSpec(self.target(key, entry))
        return graphs

    def environment(self, value: object) -> dict[str, str]:
        if value is None:
            return {}
        if isinstance(value, str):
            return {name: text or "" for name, text in dotenv_values(self.path.parent / value).items()}
        if isinstance(value, dict):
            return {str(name): str(text) for name, text in value.items()}
        raise self.wrong("env", value, "the path of a .env file, or an object of names and values")

    def cors(self, value: object) -> dict[str, Any] | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong("http.cors", value, 'an object such as {"allow_origins": ["https://example.com"]}')
        lists = ("allow_origins", "allow_methods", "allow_headers", "expose_headers")
        for key in lists:
            self.strings(value, key)
        for key, kind in (("allow_credentials", bool), ("allow_origin_regex", str), ("max_age", int)):
            if value.get(key) is not None and not isinstance(value[key], kind):
                raise self.wrong(f"http.cors.{key}", value[key], f"of type {kind.__name__}")
        return value
