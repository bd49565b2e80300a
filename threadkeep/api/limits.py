"""The largest request body that is read at all. (FastAPI's own limit does not answer in JSON.)"""

from __future__ import annotations

from collections.abc import Mapping

from threadkeep.api.responses import Json

_MOST_DIGITS = 18


def declared_bytes(headers: Mapping[bytes, bytes]) -> int:
    """How long the client says its body is; 0 when it does not say."""
    declared = headers.get(b"content-length", b"")
    return int(declared[:_MOST_DIGITS]) if declared.isdigit() else 0


def body_too_large(max_bytes: int) -> Json:
    detail = f"The body is larger than {max_bytes} bytes (MAX_BODY_BYTES)."
    return Json({"detail": detail}, 413, headers={"connection": "close"})
