"""A person who was let in: as a record that can be stored with a run, and as the object that graphs read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from threadkeep import json
from threadkeep.errors import UnauthorizedError

_FIELDS = ("identity", "display_name", "is_authenticated", "permissions")


class AuthUser(Mapping[str, Any]):
    """What `runtime.server_info.user` and `langgraph_auth_user` are: `langgraph_sdk.Auth`'s BaseUser."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = dict(record)

    @property
    def identity(self) -> str:
        return str(self._record["identity"])

    @property
    def display_name(self) -> str:
        return str(self._record.get("display_name") or self.identity)

    @property
    def is_authenticated(self) -> bool:
        return bool(self._record.get("is_authenticated", True))

    @property
    def permissions(self) -> Sequence[str]:
        return list(self._record.get("permissions") or ())

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_record"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key) if key in _FIELDS else self._record[key]

    def __contains__(self, key: object) -> bool:
        return key in _FIELDS or key in self._record

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*_FIELDS, *self._record]))

    def __len__(self) -> int:
        return len({*_FIELDS, *self._record})


def user_record(given: Any) -> dict[str, Any]:
    """From what an `authenticate` function may answer (an id, a dict, an object) to a JSON record with `identity`."""
    if isinstance(given, str):
        given = {"identity": given}
    elif not isinstance(given, Mapping):
        names = (*_FIELDS, *getattr(given, "__dict__", ()))
        given = {name: getattr(given, name) for name in names if not name.startswith("_") and hasattr(given, name)}
    record = json.to_jsonable(dict(given))
    if not isinstance(record, dict) or not isinstance(record.get("identity"), str) or not record["identity"]:
        raise UnauthorizedError
    return record
