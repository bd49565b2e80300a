"""What a piece of work does its SQL with, whichever database it is on.

The SQL of this package is written once, in what SQLite and PostgreSQL have in common; `dialect.py` translates the few
spellings that differ. What each does in a way of its own (a run's place in the order, who else may go on meanwhile)
stands in the `Dialect`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from threadkeep.storage.dialect import Dialect

Row = tuple[Any, ...]
Arguments = Sequence[Any] | Mapping[str, Any]


class Rows(Protocol):
    """What a statement gave; to be read before the next statement of the same connection."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """The open transaction that a piece of work runs in. Parameters are `?` in order, or `:name`."""

    @property
    def dialect(self) -> Dialect: ...

    def execute(self, sql: str, bindings: Any = ...) -> Rows: ...

    def executemany(self, sql: str, sequenceofbindings: Iterable[Any]) -> object: ...

    def lock(self, *keys: str) -> None:
        """Until this transaction ends, no other one goes on that locks one of these keys.

        SQLite has one writer at a time, so there this is always so.
        """

    def try_lock(self, key: str) -> bool:
        """Lock it if nobody else has locked or holds it; False if somebody has."""

    def tell(self, news: str) -> None:
        """Let every process that shares the database know, once this transaction is committed."""
