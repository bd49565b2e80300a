"""A batch of operations, looked at before anything is done: if one of them is wrong, nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    Op,
    PutOp,
    SearchOp,
    validate_op_namespace,
)

from checkpoints.store.filters import check_filter
from checkpoints.store.index import Index, choice
from checkpoints.store.namespaces import Namespace, checked, literal_prefix, to_text
from checkpoints.store.table import NewItem
from checkpoints.store.values import decode, encode

_LONGEST_TTL_MINUTES = 60 * 24 * 366 * 1000


@dataclass(frozen=True, slots=True)
class Put:
    item: NewItem
    texts: list[str]
    """What of it is embedded."""


class Plan:
    """Raises `ValueError` (LangGraph's InvalidNamespaceError is one) or `TypeError` for what cannot be done."""

    def __init__(self, ops: Iterable[Op], index: Index | None) -> None:
        self.ops = list(ops)
        self.puts: dict[tuple[Namespace, str], Put | None] = {}
        """By namespace and key; None deletes."""
        self.queries: list[str] = []
        self.reads = False
        for op in self.ops:
            validate_op_namespace(op)
            self._look_at(op, index)
        self.texts = [text for put in self.puts.values() if put is not None for text in put.texts]

    @property
    def embeds(self) -> bool:
        return bool(self.texts or self.queries)

    def _look_at(self, op: Op, index: Index | None) -> None:
        self.reads = self.reads or not isinstance(op, PutOp)
        match op:
            case PutOp():
                to_text(op.namespace)
                key = (op.namespace, checked(op.key, "key"))
                self.puts[key] = None if op.value is None else _put(op, index)
            case GetOp():
                to_text(op.namespace)
                checked(op.key, "key")
            case SearchOp():
                to_text(op.namespace_prefix)
                check_filter(op.filter)
                _check_page(op.limit, op.offset)
                if op.query and index is not None:
                    self.queries.append(op.query)
            case ListNamespacesOp():
                to_text(literal_prefix(op.match_conditions or ()))
                _check_page(op.limit, op.offset)
            case _:
                raise ValueError(f"Unknown operation type: {type(op)}")


def _put(op: PutOp, index: Index | None) -> Put:
    if not op.namespace:
        raise InvalidNamespaceError("Namespace cannot be empty.")
    if op.ttl is not None and not 0 < op.ttl <= _LONGEST_TTL_MINUTES:
        allowed = f"more than 0 minutes, and at most {_LONGEST_TTL_MINUTES} (a thousand years)"
        raise ValueError(f"The ttl of item {op.key!r} is {op.ttl}, but must be {allowed}.")
    stored = encode(op.value, op.key)
    item = NewItem(op.namespace, op.key, stored, op.ttl, choice(op.index))
    # The value as it will be read: dates and the like are text by then.
    texts = [] if index is None or op.index is False else index.texts(decode(stored), op.index)
    return Put(item, texts)


def _check_page(limit: int, offset: int) -> None:
    if min(limit, offset) < 0:
        raise ValueError(f"limit and offset must not be negative, but are {limit} and {offset}.")
