"""Who asks. Every query takes the caller and sees only that caller's rows.

Until somebody has to log in, those are all of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    owner: str | None = None


EVERYONE = Caller()
