"""The `checkpointer` and `store` sections of `langgraph.json`: whose they are, what expires, what may be read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from langgraph.store.base import TTLConfig

from threadkeep.config_values import ConfigValues, Target

Strategy = Literal["delete", "keep_latest"]
Modules = tuple[tuple[str, ...], ...] | Literal[True] | None
"""Types that may be rebuilt from a checkpoint, as `(module..., name)`; True means any."""

_DEFAULT_SWEEP_LIMIT = 1_000
_LONGEST_MINUTES = 60 * 24 * 366 * 1000
_MINUTES = "a number of minutes above 0, at most a thousand years"


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """How store items are embedded: by `provider:model`, or by a function of the project."""

    dims: int
    embed: str | Target
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class StoreConfig:
    target: Target | None = None
    index: IndexConfig | None = None
    ttl: TTLConfig | None = None


@dataclass(frozen=True, slots=True)
class ThreadTtl:
    """What threads live by that were made without a `ttl` of their own; times are minutes."""

    strategy: Strategy = "delete"
    default_ttl: float | None = None
    sweep_interval: float | None = None
    sweep_limit: int = _DEFAULT_SWEEP_LIMIT

    def for_new_threads(self) -> dict[str, Any] | None:
        """As a thread that asked for it would have it in its row."""
        return None if self.default_ttl is None else {"ttl": self.default_ttl, "strategy": self.strategy}


@dataclass(frozen=True, slots=True)
class Serde:
    allowed_msgpack_modules: Modules = None
    allowed_json_modules: Modules = None
    pickle_fallback: bool = False

    @property
    def runs_code(self) -> bool:
        """Whether reading a checkpoint may run whatever somebody wrote into it."""
        return self.pickle_fallback or True in (self.allowed_msgpack_modules, self.allowed_json_modules)


@dataclass(frozen=True, slots=True)
class CheckpointerConfig:
    target: Target | None = None
    ttl: ThreadTtl = field(default_factory=ThreadTtl)
    serde: Serde | None = None


class StorageSections:
    """Reads both sections; what has no effect is named in `warnings`."""

    def __init__(self, values: ConfigValues) -> None:
        self._values = values
        self.warnings: list[str] = []

    def store(self, raw: dict[str, Any]) -> StoreConfig:
        section = self._section(raw, "store")
        self._name_others(section, "store.", ("path", "index", "ttl"))
        target = self._target(section, "store")
        self._name_overruled(section, "store", ("index", "ttl"))
        return StoreConfig(target, self._index(section), self._store_ttl(section))

    def checkpointer(self, raw: dict[str, Any]) -> CheckpointerConfig:
        section = self._section(raw, "checkpointer")
        self._name_others(section, "checkpointer.", ("path", "backend", "ttl", "serde"))
        target = self._target(section, "checkpointer")
        backend = section.get("backend")
        if backend not in (None, "default", "custom"):
            raise self._values.wrong("checkpointer.backend", backend, '"default" or "custom"')
        if backend == "custom" and target is None:
            raise self._values.wrong("checkpointer.path", None, 'a string "path/to/file.py:variable" for a custom one')
        self._name_overruled(section, "checkpointer", ("serde",))
        return CheckpointerConfig(target, self._thread_ttl(section), self._serde(section))

    def _section(self, raw: dict[str, Any], key: str) -> dict[str, Any]:
        value = raw.get(key)
        if isinstance(value, str):
            return {"path": value}
        if value is not None and not isinstance(value, dict):
            raise self._values.wrong(key, value, 'an object such as {"path": "./checkpoints/stock.py:open_..."}')
        return value or {}

    def _target(self, section: dict[str, Any], key: str) -> Target | None:
        return None if section.get("path") is None else self._values.target(f"{key}.path", section["path"])

    def _name_others(self, section: dict[str, Any], place: str, known: tuple[str, ...]) -> None:
        self.warnings += [
            f"langgraph.json: `{place}{key}` is not supported by this server and has no effect."
            for key in section
            if key not in known
        ]

    def _name_overruled(self, section: dict[str, Any], key: str, overruled: tuple[str, ...]) -> None:
        if section.get("path") is not None:
            self.warnings += [
                f"langgraph.json: `{key}.{name}` has no effect beside `{key}.path`: what that opens decides for itself."
                for name in overruled
                if section.get(name) is not None
            ]

    def _index(self, section: dict[str, Any]) -> IndexConfig | None:
        index = self._values.mapping(section, "index", place="store.")
        if not index:
            return None
        place = "store.index."
        self._name_others(index, place, ("dims", "embed", "fields"))
        dims, embed = index.get("dims"), index.get("embed")
        if not isinstance(dims, int) or isinstance(dims, bool) or not 0 < dims <= 65_536:
            raise self._values.wrong(
                place + "dims", dims, "the length of the embeddings, a whole number from 1 to 65536"
            )
        provider, colon, name = embed.rpartition(":") if isinstance(embed, str) else ("", "", "")
        if not (provider and colon and name):
            allowed = 'a string "provider:model" or "./path/to/file.py:function"'
            raise self._values.wrong(place + "embed", embed, allowed)
        ours = provider.endswith(".py") or "/" in provider
        fields = self._values.strings(index, "fields", place=place)
        return IndexConfig(dims, Target(provider, name) if ours else f"{provider}:{name}", tuple(fields) or None)

    def _store_ttl(self, section: dict[str, Any]) -> TTLConfig | None:
        ttl = self._values.mapping(section, "ttl", place="store.")
        if not ttl:
            return None
        self._name_others(ttl, "store.ttl.", ("refresh_on_read", "default_ttl", "sweep_interval_minutes"))
        refresh = self._values.flag(ttl, "refresh_on_read", place="store.ttl.", default=True)
        default = self._minutes(ttl, "default_ttl", "store.ttl.")
        pause: Any = self._minutes(ttl, "sweep_interval_minutes", "store.ttl.")  # parts of a minute are fine here
        return {"refresh_on_read": refresh, "default_ttl": default, "sweep_interval_minutes": pause}

    def _thread_ttl(self, section: dict[str, Any]) -> ThreadTtl:
        ttl, place = self._values.mapping(section, "ttl", place="checkpointer."), "checkpointer.ttl."
        self._name_others(ttl, place, ("strategy", "default_ttl", "sweep_interval_minutes", "sweep_limit"))
        strategy = ttl.get("strategy", "delete")
        if strategy not in ("delete", "keep_latest"):
            raise self._values.wrong(place + "strategy", strategy, '"delete" or "keep_latest"')
        limit = ttl.get("sweep_limit", _DEFAULT_SWEEP_LIMIT)
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise self._values.wrong(place + "sweep_limit", limit, "a whole number of threads, at least 1")
        minutes, interval = (self._minutes(ttl, key, place) for key in ("default_ttl", "sweep_interval_minutes"))
        return ThreadTtl(strategy, minutes, interval, limit)

    def _minutes(self, section: dict[str, Any], key: str, place: str) -> float | None:
        value = section.get(key)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= _LONGEST_MINUTES:
            raise self._values.wrong(place + key, value, _MINUTES)
        return float(value)

    def _serde(self, section: dict[str, Any]) -> Serde | None:
        serde, place = self._values.mapping(section, "serde", place="checkpointer."), "checkpointer.serde."
        if not serde:
            return None
        self._name_others(serde, place, ("allowed_json_modules", "allowed_msgpack_modules", "pickle_fallback"))
        read = Serde(
            self._modules(serde, "allowed_msgpack_modules", place),
            self._modules(serde, "allowed_json_modules", place),
            self._values.flag(serde, "pickle_fallback", place=place),
        )
        if read.runs_code:
            self.warnings.append(
                "langgraph.json: `checkpointer.serde` lets checkpoints name any code to run when they are read. Name "
                "the types instead, unless nobody else can write to the data folder."
            )
        return read

    def _modules(self, serde: dict[str, Any], key: str, place: str) -> Modules:
        value = serde.get(key)
        if isinstance(value, bool) or value is None:
            return True if value else None
        if not isinstance(value, list) or not all(_is_name(one) for one in value):
            allowed = 'true, null, or a list of types such as [["my_agent.state", "Plan"]]'
            raise self._values.wrong(place + key, value, allowed)
        return tuple(tuple(one) for one in value)


def _is_name(value: object) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(isinstance(part, str) and part for part in value)
