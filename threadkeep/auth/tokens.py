"""JSON Web Tokens, checked against the issuer's published keys (JWKS).

Fail closed: without a fresh key set that has the token's key, the token is not valid. Algorithms are fixed to
public-key ones, and issuer, audience and expiry are required (RFC 8725).
"""

from __future__ import annotations

import asyncio
from typing import Any

import jwt

from threadkeep.errors import UnauthorizedError, UnavailableError

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_JWKS_SECONDS = 300
_FETCH_SECONDS = 5


class Tokens:
    def __init__(self, *, jwks_url: str, issuer: str, audience: str) -> None:
        self._keys = jwt.PyJWKClient(jwks_url, cache_jwk_set=True, lifespan=_JWKS_SECONDS, timeout=_FETCH_SECONDS)
        self._issuer = issuer
        self._audience = audience

    async def claims(self, token: str) -> dict[str, Any]:
        """What the token says; `UnauthorizedError` with the reason when it does not count."""
        try:
            # Fetching the key set blocks; most of the time it is remembered, and a thread costs little.
            key = await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise UnavailableError("The token's issuer cannot be reached to check it; try again soon.") from error
        except jwt.PyJWTError as error:
            raise UnauthorizedError(f"Invalid token: {error}") from None
        return claims
