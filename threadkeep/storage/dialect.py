"""Where SQLite and PostgreSQL differ: a few spellings, and what only one of them needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Dialect:
    next_place: str
    """The place in the order of acceptance that a run gets now; never given again."""
    newest_place: str
    """The newest place that was ever given."""
    claimable: str = ""
    """Joins the choice of the runs to claim: none that somebody else is about to change."""
    leases: bool = False
    """Several processes may run what is in the queue: each claim is for a time."""
    leaf_bytes: int | None = None
    """The longest leaf of metadata that its index takes as it is."""

    def short_leaf(self, path: str, value: str) -> tuple[str, str]:
        """The leaf as it is indexed: a long one by its hash, which two leaves share only if they are the same."""
        if self.leaf_bytes is None or len(path.encode()) + len(value.encode()) <= self.leaf_bytes:
            return path, value
        return f"#{sha256(path.encode()).hexdigest()}", f"#{sha256(value.encode()).hexdigest()}"


_OLDER = "SELECT coalesce(max(seq), 0) FROM runs"
_EVER = f"(SELECT max(newest, ({_OLDER})) FROM deleted_runs)"

SQLITE = Dialect(next_place=f"({_EVER} + 1)", newest_place=_EVER)

POSTGRES = Dialect(
    next_place="nextval('runs_seq')",
    newest_place="(SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM runs_seq)",
    claimable="FOR UPDATE OF r SKIP LOCKED",
    leases=True,
    leaf_bytes=2_000,
)

_SPELLINGS = (
    (re.compile(r"\bifnull\("), "coalesce("),
    (re.compile(r"\binstr\("), "strpos("),
    (re.compile(r"SELECT value FROM json_each\(([?:\w]+)\)"), r"SELECT json_array_elements_text(CAST(\1 AS json))"),
    (
        re.compile(r"json_extract\(CAST\((\w+) AS TEXT\), '\$\.(\w+)'\)"),
        r"(CAST(convert_from(\1, 'UTF8') AS json) ->> '\2')",
    ),
)
_TOKENS = re.compile(r"('(?:[^']|'')*')|(\?)|(?<![:\w]):([a-z_]\w*)|(%)")


@lru_cache(maxsize=1_000)
def in_postgres(sql: str) -> str:
    """A statement of ours as psycopg takes it: `%s` and `%(name)s` for parameters, and PostgreSQL's spellings."""
    for pattern, spelling in _SPELLINGS:
        sql = pattern.sub(spelling, sql)
    return _TOKENS.sub(_placeholder, sql)


def _placeholder(found: re.Match[str]) -> str:
    quoted, positional, name, percent = found.groups()
    if quoted is not None:
        return quoted.replace("%", "%%")
    if percent is not None:
        return "%%"
    return "%s" if positional is not None else f"%({name})s"
