"""Where a webhook may go: what a caller names is checked when it is named, and again before each connection.

A server that calls any address it is told would be a way into the network it stands in. So a name is resolved once, all
its addresses must be public ones, and the connection goes to the address that was checked: a second answer of the name
server leads nowhere else. Hosts of one's own network are named in `WEBHOOK_TRUSTED_HOSTS`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit

from threadkeep.errors import InvalidError
from threadkeep.webhook_config import WebhookRules

Resolve = Callable[[str, int], Awaitable[list[str]]]

_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Pinned:
    url: str
    """With the address in the place of the name."""
    host_header: str
    server_name: str
    """Whose certificate is asked for."""


async def resolve(host: str, port: int) -> list[str]:
    """Every address the name has; `OSError` when it has none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


class WebhookTargets:
    def __init__(self, rules: WebhookRules, trusted_hosts: Sequence[str], resolve: Resolve = resolve) -> None:
        self.rules = rules
        self._trusted = frozenset(host.lower().strip("[]") for host in trusted_hosts)
        self._resolve = resolve

    def accepted(self, url: str | None) -> str | None:
        """What a run keeps of the webhook it was asked for; `InvalidError` for one that may never be called."""
        if url is None or not self.rules.enabled:
            return None
        if not is_own_route(url):
            self._check(url)
        elif not self.rules.own_routes:
            raise InvalidError(
                "Webhook URL blocked: a path on this server needs `webhooks.url.disable_loopback: false`."
            )
        return url

    async def pinned(self, url: str) -> Pinned:
        """The address to connect to; raises `InvalidError` when the rules or its addresses forbid it, or `OSError`."""
        parts, host, port = self._check(url)
        addresses = await self._resolve(host, port)
        if not self._trusts(host):
            for address in addresses:
                _require_public(address, host)
        address = addresses[0]
        netloc = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        return Pinned(urlunsplit(parts._replace(netloc=netloc, fragment="")), parts.netloc, host)

    def _check(self, url: str) -> tuple[SplitResult, str, int]:
        """All that can be said without asking a name server: the URL's parts, its host and its port."""
        if len(url) > self.rules.max_url_length:
            raise InvalidError(f"Webhook URL blocked: it is longer than {self.rules.max_url_length} characters.")
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError as error:
            raise InvalidError(f"Webhook URL blocked: {error}.") from None
        host = (parts.hostname or "").lower()
        if not port or not host or parts.username is not None or not url.isascii() or not url.isprintable():
            raise InvalidError("Webhook URL blocked: it must be a plain http:// or https:// address.")
        if self.rules.require_https and parts.scheme != "https":
            raise InvalidError("Webhook URL blocked: it must be https (`webhooks.url.require_https`).")
        if self.rules.allowed_ports and port not in self.rules.allowed_ports:
            raise InvalidError(f"Webhook port blocked: {port} is not among `webhooks.url.allowed_ports`.")
        if self.rules.allowed_domains and not any(_within(host, domain) for domain in self.rules.allowed_domains):
            raise InvalidError(f"Webhook host blocked: {host} is not among `webhooks.url.allowed_domains`.")
        if not self._trusts(host):
            _require_public_name(host)
        return parts, host, port

    def _trusts(self, host: str) -> bool:
        return host in self._trusted


def is_own_route(url: str) -> bool:
    return url.startswith("/") and not url.startswith("//")


def _within(host: str, domain: str) -> bool:
    return host.endswith(domain[1:]) if domain.startswith("*.") else host == domain


def _require_public_name(host: str) -> None:
    """Of a name, only what it says by itself; an address is checked whole."""
    if host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost"):
        raise InvalidError(f"Webhook host blocked: {host} is this machine (see WEBHOOK_TRUSTED_HOSTS).")
    try:
        # As a C library reads it: `127.1` and `2130706433` are addresses too.
        address = host if ":" in host else socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return
    _require_public(address, host)


def _require_public(address: str, host: str) -> None:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        raise InvalidError(f"Webhook host blocked: {host} is no address.") from None
    if isinstance(ip, ipaddress.IPv6Address):
        inside = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
        ip = ip.ipv4_mapped or ip.sixtofour or inside or ip
    if not ip.is_global or ip.is_multicast:
        kind = "loopback" if ip.is_loopback else "link-local" if ip.is_link_local else "private"
        raise InvalidError(f"Webhook host blocked: {host} is a {kind} address (see WEBHOOK_TRUSTED_HOSTS).")
