"""How the tests type the SDK's clients: not at all. Its TypedDicts say less than the wire that these tests look at."""

from __future__ import annotations

from typing import Any, TypeAlias

Sdk: TypeAlias = Any
