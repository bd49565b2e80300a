"""The `webhooks` section of `langgraph.json`: where webhooks may go, and the headers they carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threadkeep.config_values import ConfigValues
from threadkeep.errors import StartupError

_TEMPLATE = re.compile(r"\$\{\{\s*env\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class WebhookRules:
    enabled: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    """As written; `resolved_headers` fills in their variables."""
    require_https: bool = False
    allowed_domains: tuple[str, ...] = ()
    """Hosts, and `*.name` for every host below that name; none: any host."""
    allowed_ports: tuple[int, ...] = ()
    max_url_length: int = 2048
    own_routes: bool = False
    """A webhook may be a path on this server, such as a route of `http.app`."""

    def resolved_headers(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The headers to send; `StartupError` when one needs a variable that is not set."""
        return {name: _filled_in(text, name, environment) for name, text in self.headers.items()}


def _filled_in(text: str, header: str, environment: Mapping[str, str]) -> str:
    return _TEMPLATE.sub(lambda found: _variable(found[1], header, environment), text)


def _variable(name: str, header: str, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise StartupError(f"langgraph.json: `webhooks.headers.{header}` needs {name}, which is not set.")
    return environment[name]


def webhook_rules(values: ConfigValues, raw: dict[str, Any], *, enabled: bool = True) -> WebhookRules:
    section = values.mapping(raw, "webhooks")
    url = values.mapping(section, "url", place="webhooks.")
    place = "webhooks.url."
    longest = url.get("max_url_length")
    if longest is not None and (not isinstance(longest, int) or isinstance(longest, bool) or longest < 1):
        raise values.wrong(f"{place}max_url_length", longest, "a whole number of at least 1")
    return WebhookRules(
        enabled=enabled,
        headers=_headers(values, section),
        require_https=values.flag(url, "require_https", place=place),
        allowed_domains=tuple(domain.lower() for domain in values.strings(url, "allowed_domains", place=place)),
        allowed_ports=_ports(values, url),
        max_url_length=longest or WebhookRules().max_url_length,
        own_routes=not values.flag(url, "disable_loopback", place=place, default=True),
    )


def _ports(values: ConfigValues, url: dict[str, Any]) -> tuple[int, ...]:
    ports = url.get("allowed_ports")
    if ports is None:
        return ()
    if not isinstance(ports, list) or not all(type(port) is int and 0 < port < 65536 for port in ports):
        raise values.wrong("webhooks.url.allowed_ports", ports, "a list of port numbers")
    return tuple(ports)


def _headers(values: ConfigValues, section: dict[str, Any]) -> dict[str, str]:
    prefix = values.text(section, "env_prefix", place="webhooks.") or "LG_WEBHOOK_"
    headers = values.mapping(section, "headers", place="webhooks.")
    for name, text in headers.items():
        key = f"webhooks.headers.{name}"
        if not _HEADER.fullmatch(name) or name.lower() in _OURS:
            raise values.wrong(key, name, "named as a header that a request may be given")
        if not isinstance(text, str) or not text.isprintable() or not text.isascii():
            raise values.wrong(key, text, "a line of text")
        if foreign := [name for name in _TEMPLATE.findall(text) if not name.startswith(prefix)]:
            raise values.wrong(key, foreign[0], f"made of variables that begin with {prefix} (`webhooks.env_prefix`)")
        if "${{" in _TEMPLATE.sub("", text):
            raise values.wrong(key, text, "text in which variables stand as ${{ env.NAME }}")
    return headers
