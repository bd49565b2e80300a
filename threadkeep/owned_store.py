"""One owner's part of a store, to whom it looks like a whole one.

Its namespaces stand under two labels of their own in the real store, so that neither a graph nor a client can name
another owner's items. LangGraph forbids periods in labels and e-mail addresses have them, so they are escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from langgraph.store.base import BaseStore, GetOp, Item, ListNamespacesOp, MatchCondition, Op, PutOp, Result, SearchOp

ROOT = "~owner"

AnyItem = TypeVar("AnyItem", bound=Item)


def namespace_of(owner: str) -> tuple[str, str]:
    """Where an owner's items stand in the real store."""
    return ROOT, owner.replace("%", "%25").replace(".", "%2E")


class OwnedStore(BaseStore):
    """See the module's docstring. It opens and closes nothing."""

    def __init__(self, store: BaseStore, owner: str) -> None:
        self._store = store
        self._prefix = namespace_of(owner)
        self.supports_ttl = store.supports_ttl
        self.ttl_config = store.ttl_config

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        asked = list(ops)
        return self._answers(asked, self._store.batch([self._inside(op) for op in asked]))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        asked = list(ops)
        return self._answers(asked, await self._store.abatch([self._inside(op) for op in asked]))

    def _inside(self, op: Op) -> Op:
        match op:
            case GetOp() | PutOp():
                return op._replace(namespace=(*self._prefix, *op.namespace))
            case SearchOp():
                return op._replace(namespace_prefix=(*self._prefix, *op.namespace_prefix))
            case ListNamespacesOp():
                return self._listing(op)

    def _listing(self, op: ListNamespacesOp) -> ListNamespacesOp:
        inside = [MatchCondition("prefix", self._prefix)]
        for condition in op.match_conditions or ():
            if condition.match_type == "prefix":
                inside.append(MatchCondition("prefix", (*self._prefix, *condition.path)))
            else:
                inside.append(condition)
        depth = None if op.max_depth is None else op.max_depth + len(self._prefix)
        return op._replace(match_conditions=tuple(inside), max_depth=depth)

    def _answers(self, asked: list[Op], found: list[Result]) -> list[Result]:
        return [self._outside(op, one) for op, one in zip(asked, found, strict=True)]

    def _outside(self, op: Op, found: Any) -> Any:
        if isinstance(op, ListNamespacesOp):
            return [namespace[len(self._prefix) :] for namespace in found]
        if isinstance(found, Item):
            return self._stripped(found)
        return [self._stripped(item) for item in found] if isinstance(found, list) else found

    def _stripped(self, item: AnyItem) -> AnyItem:
        """The store's own object, which is this reader's alone; or a copy where a store may hand it out again."""
        shown = object.__new__(type(item))
        for name in _slots(type(item)):
            setattr(shown, name, getattr(item, name))
        shown.namespace = item.namespace[len(self._prefix) :]
        return shown


def _slots(kind: type) -> list[str]:
    return [name for one in kind.__mro__ for name in getattr(one, "__slots__", ())]
