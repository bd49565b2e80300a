"""Who asks. Every query takes the caller and sees only that caller's rows.

Until somebody has to log in, those are all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Caller:
    owner: str | None = None
    configurable: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What the request itself adds to the configuration of its runs (`http.configurable_headers`)."""


EVERYONE = Caller()
