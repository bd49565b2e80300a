"""API keys: `tk_<id>_<secret>`, shown once when made, kept as a hash, found by id and compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from threadkeep import json
from threadkeep.errors import NotFoundError, UnauthorizedError
from threadkeep.storage.connection import Connection, Row
from threadkeep.storage.database import Database

_FORM = re.compile(r"^tk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$")
_COLUMNS = "key_id, owner, scopes, note, created_at, expires_at, revoked_at"


@dataclass(frozen=True, slots=True)
class ApiKey:
    key_id: str
    owner: str
    scopes: tuple[str, ...]
    note: str
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None


def looks_like_key(text: str) -> bool:
    """Whether a credential is one of ours, and not somebody's token."""
    return text.startswith("tk_")


class ApiKeys:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def bearer_of(self, text: str, *, now: str) -> ApiKey:
        """The key that this text is; `UnauthorizedError` when it is none, or not valid any more."""
        form = _FORM.match(text)
        row = None
        if form is not None:
            row = await self._database.read_one(
                f"SELECT {_COLUMNS}, secret_hash FROM api_keys WHERE key_id = ?", (form[1],)
            )
        # Compared in any case, so that the time taken does not tell which ids there are.
        right = hmac.compare_digest(row[-1] if row is not None else bytes(32), _hash(form[2] if form else ""))
        if row is None or not right:
            raise UnauthorizedError("This API key is not known.")
        key = _key(row[:-1])
        if key.revoked_at is not None:
            raise UnauthorizedError("This API key was revoked.")
        if key.expires_at is not None and key.expires_at <= now:
            raise UnauthorizedError("This API key has expired.")
        return key


def make_key(
    connection: Connection, owner: str, *, scopes: tuple[str, ...], note: str, now: str, expires_at: str | None
) -> str:
    """Store a new key and give its whole text, which nobody can read back later."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    connection.execute(
        "INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
        (key_id, _hash(secret), owner, json.dumps_text(list(scopes)), note, now, expires_at),
    )
    return f"tk_{key_id}_{secret}"


def all_keys(connection: Connection) -> list[ApiKey]:
    """Every key, the newest first."""
    return [_key(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM api_keys ORDER BY created_at DESC")]


def revoke_key(connection: Connection, key_id: str, *, now: str) -> None:
    """From the next request on the key is refused. `NotFoundError` for an id that is none."""
    sql = "UPDATE api_keys SET revoked_at = ifnull(revoked_at, ?) WHERE key_id = ? RETURNING 1"
    if not connection.execute(sql, (now, key_id)).fetchall():
        raise NotFoundError(f"There is no key {key_id}.")


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _key(row: Row) -> ApiKey:
    key_id, owner, scopes, *rest = row
    return ApiKey(key_id, owner, tuple(json.loads(scopes)), *rest)
