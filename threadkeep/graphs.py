"""The graphs that `langgraph.json` names: imported, checked, and bound to the checkpointer and the store.

What is loaded is never changed: a run gets a copy that is bound. A file is imported under its name within the project
(`./graphs/react.py` is `graphs.react`), because that name is stored in checkpoints and so part of the file format.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.machinery
import importlib.util
import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore
from langgraph_sdk.runtime import AccessContext
from pydantic import BaseModel, ValidationError

from threadkeep.config import Config
from threadkeep.config_values import Target
from threadkeep.errors import GraphFactoryError, InvalidError, NotFoundError, StartupError, ThreadkeepError, said_by
from threadkeep.factories import make_graph
from threadkeep.masking import Mask
from threadkeep.owned_store import OwnedStore
from threadkeep.unserved import UnservedGraph

log = structlog.get_logger("threadkeep.graphs")

Graph = Pregel[Any, Any, Any, Any]
Readable = Graph | UnservedGraph

_FRAMES_SHOWN = 3


class Graphs:
    """All graphs of one server. A factory is called for each use, with the run's configuration."""

    def __init__(
        self,
        loaded: Mapping[str, Any],
        config: Config,
        saver: BaseCheckpointSaver[Any],
        store: BaseStore,
        *,
        mask: Mask,
        separate_stores: bool = False,
    ) -> None:
        self._loaded = dict(loaded)
        self._saver = saver
        self._store = store
        self._mask = mask
        self._separate_stores = separate_stores
        self._bound = {graph_id: self._bind(graph) for graph_id, graph in loaded.items() if isinstance(graph, Pregel)}
        self.descriptions = {graph_id: config.graphs[graph_id].description for graph_id in loaded}

    @property
    def ids(self) -> list[str]:
        return list(self._loaded)

    def require(self, graph_id: str) -> str:
        """The id itself, when such a graph is served; else `NotFoundError` that names those that are."""
        if graph_id not in self._loaded:
            raise NotFoundError(f"Graph '{graph_id}' not found. Expected one of: {', '.join(sorted(self._loaded))}")
        return graph_id

    @asynccontextmanager
    async def reading(self, graph_id: str, config: Mapping[str, Any] | None = None) -> AsyncIterator[Readable]:
        """As `bound`, for who only reads state; of a graph that is no longer served, what the saver alone can tell."""
        if graph_id not in self._loaded:
            yield UnservedGraph(self._saver)
            return
        async with self.bound(graph_id, config) as graph:
            yield graph

    @asynccontextmanager
    async def bound(
        self,
        graph_id: str,
        config: Mapping[str, Any] | None = None,
        *,
        access: AccessContext = "threads.read",
        context: Any = None,
        owner: str | None = None,
    ) -> AsyncIterator[Graph]:
        """The graph with the server's checkpointer and store (its owner's part of it), for the length of one use.

        The rest is what a factory is told: the configuration, why the graph is wanted, and of a run its context.
        `GraphFactoryError` when the factory fails to make the graph, or to take it down again.
        """
        self.require(graph_id)
        store = self.store_of(owner)
        if graph_id in self._bound:
            bound = self._bound[graph_id]
            yield bound if store is self._store else _with_store(bound, store)
            return
        in_use = False
        try:
            async with AsyncExitStack() as stack:
                factory = self._loaded[graph_id]
                told = {"configurable": {}, **(config or {})}
                made = await make_graph(factory, told, stack, access=access, context=context, store=store)
                bound = self._bind(_compiled(made, graph_id))
                in_use = True
                yield bound if store is self._store else _with_store(bound, store)
                in_use = False
        except ThreadkeepError:
            raise
        except Exception as error:
            if in_use:
                raise
            raise self._failed(graph_id, error) from error

    def _failed(self, graph_id: str, error: Exception) -> GraphFactoryError:
        log.warning("graph_factory_failed", graph_id=graph_id, error=_what_happened(error))
        words = self._mask(f"{type(error).__name__}: {said_by(error)}")
        return GraphFactoryError(f"The graph '{graph_id}' cannot be made at the moment; its factory failed: {words}")

    def store_of(self, owner: str | None) -> BaseStore:
        """The store as this owner's runs and requests see it; the whole one where nobody owns anything."""
        return OwnedStore(self._store, owner) if self._separate_stores and owner is not None else self._store

    def made_for_each_use(self, graph_id: str) -> bool:
        """Whether asking for this graph calls somebody's code."""
        return graph_id not in self._bound

    def _bind(self, graph: Graph) -> Graph:
        allowlist = getattr(graph, "_serde_allowlist", None)
        # Without its types on the list, a pydantic state comes back from strict msgpack as a plain dict.
        saver = self._saver if allowlist is None else self._saver.with_allowlist(allowlist)
        bound = graph.copy({"checkpointer": saver, "store": self._store})
        bound._serde_allowlist = allowlist
        return bound


def saver_of(graph: Readable) -> BaseCheckpointSaver[Any]:
    """The saver that a bound graph reads its threads' states with: it knows the types that may be in them."""
    saver = graph.checkpointer
    assert isinstance(saver, BaseCheckpointSaver)
    return saver


def _with_store(graph: Graph, store: BaseStore) -> Graph:
    copied = graph.copy({"store": store})
    copied._serde_allowlist = graph._serde_allowlist
    return copied


def load_graphs(config: Config) -> dict[str, Any]:
    """Import every graph the configuration names; a graph that cannot be had stops the start, with the reason."""
    return {
        graph_id: _checked(load_target(spec.target, config.folder, f"graphs.{graph_id}"), graph_id)
        for graph_id, spec in config.graphs.items()
    }


def load_target(target: Target, folder: Path, key: str) -> Any:
    """What `path:variable` names, imported from the project's folder; `StartupError` says what went wrong where."""
    place = f"`{key}` in langgraph.json"
    if target.path.endswith(".py") and not (folder / target.path).is_file():
        raise StartupError(f"{place}: there is no file {(folder / target.path).resolve()}")
    try:
        module = _import(target.path, folder)
    except StartupError:
        raise
    except (Exception, SystemExit) as error:  # somebody's file, which may raise whatever it likes
        raise StartupError(f"{place}: cannot import {target.path}: {_what_happened(error)}") from error
    if not hasattr(module, target.variable):
        raise StartupError(f"{place}: {target.path} has no `{target.variable}`.")
    return getattr(module, target.variable)


def _what_happened(error: BaseException) -> str:
    """The error in a line, and the last lines of somebody's code that led to it."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__
        and not frame.filename.startswith("<frozen ")
        and "importlib" not in frame.filename
    ]
    words = "".join(traceback.format_exception_only(error)).strip()
    return "\n".join([words, *"".join(traceback.format_list(frames[-_FRAMES_SHOWN:])).splitlines()])


def enter_project(folder: Path, dependencies: tuple[str, ...], *, own_folder: Path) -> None:
    """Make the project importable, before everything else on the path.

    Somebody else's project may have folders of the same names as ours (`graphs`, `nodes`, ...): theirs must win, so
    ours that are already imported are forgotten by name. Who holds a reference keeps it.
    """
    local = [(folder / dependency).resolve() for dependency in dependencies if dependency.startswith(".")]
    for path in dict.fromkeys([*reversed(local), folder]):
        if str(path) in sys.path:
            sys.path.remove(str(path))
        sys.path.insert(0, str(path))
    if folder == own_folder:
        return
    roots = [path for path in dict.fromkeys((folder, *local)) if path.is_dir()]
    theirs = {entry.stem for root in roots for entry in root.iterdir() if _may_be_imported(entry)}
    ours = {name for name in theirs - {"threadkeep"} if _is_module_of(own_folder, name)}
    for name in list(sys.modules):
        if name.partition(".")[0] in ours:
            del sys.modules[name]
    importlib.invalidate_caches()
    for name in ours:
        _prefer_folders([root / name for root in roots], name)


def _prefer_folders(folders: list[Path], name: str) -> None:
    """Folders without `__init__.py` are a package too, but one with it, as ours is, would win wherever it stands."""
    found = [folder for folder in folders if folder.is_dir()]
    modules = [folder.with_suffix(".py") for folder in folders]
    if not any(path.is_file() for path in (*modules, *(folder / "__init__.py" for folder in found))):
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder) for folder in found]
        sys.modules[name] = importlib.util.module_from_spec(spec)


def _may_be_imported(entry: Path) -> bool:
    return entry.suffix == ".py" or (entry.is_dir() and entry.name.isidentifier())


def _is_module_of(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()


def _import(path: str, folder: Path) -> Any:
    if not path.endswith(".py"):
        return importlib.import_module(path)
    file = (folder / path).resolve()
    if file.is_relative_to(folder):
        parts = file.relative_to(folder).with_suffix("").parts
        if all(part.isidentifier() for part in parts):
            return importlib.import_module(".".join(parts))
    name = file.stem.replace("-", "_")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _checked(loaded: Any, graph_id: str) -> Any:
    if isinstance(loaded, Pregel | StateGraph):
        return _compiled(loaded, graph_id)
    if callable(loaded):
        return loaded
    raise StartupError(
        f"`graphs.{graph_id}` in langgraph.json names a {type(loaded).__name__}; it must be a compiled graph, a "
        "StateGraph, or a function that makes one."
    )


def _compiled(graph: Any, graph_id: str) -> Graph:
    if isinstance(graph, StateGraph):
        graph = graph.compile()
    if not isinstance(graph, Pregel):
        raise GraphFactoryError(f"The factory of graph '{graph_id}' made a {type(graph).__name__}, not a graph.")
    return graph


def context_for(graph: Graph, given: dict[str, Any] | None, configurable: Mapping[str, Any]) -> Any:
    """The run's context as the graph's schema wants it; `InvalidError` says what is wrong with what was given.

    Clients of the older kind send the same values as `config.configurable`: those that the schema knows count too.
    """
    schema = graph.context_schema
    if schema is None:
        return given
    names = _field_names(schema)
    values = {**{key: item for key, item in configurable.items() if key in names}, **(given or {})}
    if not (isinstance(schema, type) and (issubclass(schema, BaseModel) or dataclasses.is_dataclass(schema))):
        return values or given
    try:
        schema(**values)
    except (TypeError, ValueError, ValidationError) as error:
        if not values:
            return None
        raise InvalidError(f"The context does not fit this graph: {_said(error)}") from None
    return values


def _said(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    faults = [(".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) for one in error.errors()]
    return "; ".join(f"{place}: {message}" if place else message for place, message in faults)


def _field_names(schema: Any) -> frozenset[str]:
    if dataclasses.is_dataclass(schema):  # whose annotations are its own alone, without those it inherits
        return frozenset(field.name for field in dataclasses.fields(schema))
    return frozenset(getattr(schema, "model_fields", None) or getattr(schema, "__annotations__", {}))
