"""The `http` section of `langgraph.json`: what is served beside the built-in routes, or not, under which prefix."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from threadkeep.config_values import ConfigValues, Target

Group = Literal["assistants", "threads", "runs", "store", "meta", "mcp", "a2a", "ui", "webhooks", "event_streaming"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""What `disable_*` can take away."""

KEYS = frozenset(
    {
        "app", "cors", "mount_prefix", "configurable_headers", "logging_headers", "middleware_order",
        "enable_custom_route_auth", *(f"disable_{group}" for group in GROUPS),
    }
)  # fmt: skip
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_ORDERS = ("middleware_first", "auth_first")

# Keys to this server or to others: what they open must not be found in a run's configuration, nor in a log.
_NEVER = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key", "x-service-key", "x-tenant-id"})


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """Which of a request's headers are meant: those that are included, by name or with `*`, and not excluded."""

    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    def of(self, headers: Iterable[tuple[str, str]]) -> dict[str, str]:
        """The headers that are meant, by their names in lower case."""
        return {name.lower(): text for name, text in headers if self._means(name.lower())}

    def _means(self, name: str) -> bool:
        if name in _NEVER or any(fnmatchcase(name, pattern) for pattern in self.excludes):
            return False
        return any(fnmatchcase(name, pattern) for pattern in self.includes)


@dataclass(frozen=True, slots=True)
class HttpRules:
    app: Target | None = None
    """A Starlette or FastAPI application whose routes, middleware and lifespan join ours."""
    auth_first: bool = False
    """Who asks is found out before the application's middleware sees a request, and not after."""
    custom_route_auth: bool = False
    """Whether that application's routes ask who calls, too."""
    mount_prefix: str = ""
    """What every path begins with, such as `/api`."""
    disabled: frozenset[Group] = frozenset()
    configurable_headers: HeaderRules = field(default_factory=HeaderRules)
    logging_headers: HeaderRules = field(default_factory=HeaderRules)


def http_rules(values: ConfigValues, section: dict[str, Any]) -> HttpRules:
    if section.get("middleware_order") not in (None, *_ORDERS):
        raise values.wrong("http.middleware_order", section["middleware_order"], f"one of {', '.join(_ORDERS)}")
    app = section.get("app")
    disabled = [group for group in GROUPS if values.flag(section, f"disable_{group}", place="http.")]
    return HttpRules(
        app=None if app is None else values.target("http.app", app),
        auth_first=section.get("middleware_order") == "auth_first",
        custom_route_auth=values.flag(section, "enable_custom_route_auth", place="http."),
        mount_prefix=_mount_prefix(values, section),
        disabled=frozenset(disabled),
        configurable_headers=_header_rules(values, section, "configurable_headers"),
        logging_headers=_header_rules(values, section, "logging_headers"),
    )


def _mount_prefix(values: ConfigValues, section: dict[str, Any]) -> str:
    given = values.text(section, "mount_prefix", place="http.") or ""
    prefix = given.rstrip("/")
    if prefix and not _PREFIX.fullmatch(prefix):
        raise values.wrong("http.mount_prefix", given, 'a path such as "/api"')
    return prefix


def _header_rules(values: ConfigValues, section: dict[str, Any], key: str) -> HeaderRules:
    """`includes` and `excludes`; the documentation also writes them without the s."""
    raw = values.mapping(section, key, place="http.")
    place = f"http.{key}."
    for name in raw:
        if name not in ("include", "includes", "exclude", "excludes"):
            raise values.wrong(place + name, raw[name], "left out: only `includes` and `excludes` are known")
    found = {
        name: tuple(
            pattern.lower() for form in (name, f"{name}s") for pattern in values.strings(raw, form, place=place)
        )
        for name in ("include", "exclude")
    }
    return HeaderRules(found["include"], found["exclude"])
