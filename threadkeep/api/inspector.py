"""The inspector's files on the wire. They show nothing of anyone's threads: the page asks the API, as any client does.

The policy lets the page run its own scripts and talk to its own server, and nothing else: what a model or a tool wrote
can load nothing, send nothing anywhere, and never become a script.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Header
from starlette.responses import Response

from threadkeep.api.routing import Route
from threadkeep.web import FILES, MEDIA_TYPES

POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
_TRUSTED_TYPES = ("require-trusted-types-for 'script'", "trusted-types dompurify")
_HEADERS = {
    "cache-control": "no-cache",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "vary": "accept-encoding",
}

Text = Annotated[str, Header()]

router = APIRouter(tags=["Inspector"], route_class=Route)


class _Asset(NamedTuple):
    plain: bytes
    packed: bytes
    etag: str


@cache
def _asset(file: Path) -> _Asset:
    plain = file.read_bytes()
    return _Asset(plain, gzip.compress(plain, 9, mtime=0), f'"{hashlib.sha256(plain).hexdigest()[:32]}"')


def answering(file: Path, policy: Iterable[str]) -> Callable[..., Awaitable[Response]]:
    """An endpoint that answers with a file as it is on the disk at its first use, packed for who takes that."""
    media_type = MEDIA_TYPES[file.suffix]
    fixed = {**_HEADERS, "content-security-policy": "; ".join(policy)}

    async def answer(if_none_match: Text = "", accept_encoding: Text = "") -> Response:
        asset = await asyncio.to_thread(_asset, file)  # the first time it is packed, which takes a while
        headers = {**fixed, "etag": asset.etag}
        known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
        if asset.etag in known:
            return Response(status_code=304, headers=headers)
        if "gzip" in accept_encoding:
            return Response(asset.packed, media_type=media_type, headers={**headers, "content-encoding": "gzip"})
        return Response(asset.plain, media_type=media_type, headers=headers)

    return answer


for _path, _file in FILES.items():
    router.add_api_route(_path, answering(_file, (*POLICY, *_TRUSTED_TYPES)), methods=["GET"], include_in_schema=False)
