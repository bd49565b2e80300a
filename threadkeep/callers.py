"""Who asks. Every query takes the caller and sees only that caller's rows.

While nobody has to log in, those are all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ACT_FOR = "act_for"
"""May name another user, and is then that user."""
ADMIN = "admin"
"""Sees and changes everybody's rows, and the server's own figures."""
READ_ONLY = "read_only"
"""Changes nothing and starts nothing."""
SCOPES = {ACT_FOR: "may act for any user it names", ADMIN: "sees everything", READ_ONLY: "may only read"}


@dataclass(frozen=True, slots=True)
class Caller:
    owner: str | None = None
    """Only this owner's rows are there; null: everybody's."""
    identity: str | None = None
    """Who is written down as the owner of what the caller makes."""
    scopes: frozenset[str] = frozenset()
    user: Mapping[str, Any] | None = None
    """What the server knows of the person, for graphs to read; null while nobody has to log in."""
    filters: Mapping[str, Any] = field(default_factory=dict)
    """Metadata that a row must contain to be there at all, as the project's own rules ask."""

    configurable: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What the request itself adds to the configuration of its runs (`http.configurable_headers`)."""

    @property
    def known(self) -> bool:
        """Whether somebody had to say who this is."""
        return self.user is not None

    @property
    def sees_all(self) -> bool:
        """Whether every row is there for this caller."""
        return self.owner is None and not self.filters

    def owns(self, owner: str | None) -> bool:
        """Whether rows of that owner are the caller's to see, as far as ownership goes."""
        return self.owner is None or owner == self.owner


EVERYONE = Caller()
