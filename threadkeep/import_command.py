"""`python server.py import`: threads of LangGraph's own SQLite saver are copied and listed; what is missing is said."""

from __future__ import annotations

import argparse
import asyncio
import shlex
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

from threadkeep.adopting import IMPORTED_ID, Adopted, adopt_threads, ids_here
from threadkeep.clock import SystemClock, timestamp
from threadkeep.config import load_config
from threadkeep.errors import StartupError
from threadkeep.persistence import OpenSaver
from threadkeep.progress import Progress
from threadkeep.storage.folder import hold_folder

Say = Callable[[str], None]
ImportStock = Callable[..., Coroutine[Any, Any, Any]]
"""From a data folder and a file of the stock saver (None: the one in the folder) to what was imported, and as what."""


def add_import_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="?", help="its file; by default the one in the data folder")
    parser.add_argument("--graph", metavar="NAME", help="the graph of threads whose checkpoints name none")
    parser.add_argument("--config", type=Path, dest="config_path", metavar="FILE", help="langgraph.json")


def import_threads(
    parsed: argparse.Namespace, config_path: Path, import_stock: ImportStock, open_saver: OpenSaver, say: Say
) -> None:
    """Refused, with nothing done, when `--graph` names none of the graphs that the configuration serves."""
    graph_id: str | None = parsed.graph
    served = _graphs_of(config_path, needed=graph_id is not None)
    if graph_id is not None and graph_id not in served:
        raise StartupError(
            f"{config_path} names no graph {graph_id!r}, so nothing was imported. Its graphs: {', '.join(served)}. "
            "Name another configuration with --config or LANGGRAPH_CONFIG."
        )
    folder, now = parsed.data, timestamp(SystemClock().now())
    with hold_folder(folder):
        with Progress("Importing threads") as progress:
            imported = asyncio.run(import_stock(folder, parsed.file, new_ids=ids_here, tell=progress.at))
        say(
            f"{_counted(imported.threads, 'thread')} with {_counted(imported.checkpoints, 'checkpoint')} imported; "
            f"{imported.skipped} {'was' if imported.skipped == 1 else 'were'} there already."
        )
        with Progress("Listing threads") as progress:
            listing = adopt_threads(folder, imported.ids, open_saver, graph_id=graph_id, now=now, tell=progress.at)
            adopted = asyncio.run(listing)
    renamed = sum(old != new for old, new in imported.ids.items())
    for line in _told(adopted, renamed, parsed, served):
        say(line)


def _graphs_of(config_path: Path, *, needed: bool) -> list[str]:
    """The graphs that a configuration names; it may be missing where it is not `needed`."""
    try:
        return list(load_config(config_path).graphs)
    except StartupError:
        if needed:
            raise
        return []


def _told(adopted: Adopted, renamed: int, parsed: argparse.Namespace, served: Sequence[str]) -> Iterator[str]:
    yield f"{_counted(adopted.listed, 'thread')} newly listed."
    if adopted.given_graph:
        yield f"The graph was filled in for {_counted(adopted.given_graph, 'thread')} listed before."
    if renamed:
        yield (
            f"{_counted(renamed, 'thread')} under another id, because the API asks for threads by UUID; "
            f"the old id is in the thread's metadata, as {IMPORTED_ID}."
        )
    if adopted.without_graph:
        yield (
            f"{_counted(adopted.without_graph, 'thread')} without a graph: nothing of the state can be shown. "
            f"Fill it in with: {_filling_in(parsed, served)}"
        )


def _filling_in(parsed: argparse.Namespace, served: Sequence[str]) -> str:
    """The command that names a graph for threads without one, as a shell takes it."""
    file = [] if parsed.file is None else [str(parsed.file)]
    config = [] if parsed.config_path is None else ["--config", str(parsed.config_path)]
    graph_id = served[0] if len(served) == 1 else "NAME"
    words = ["python", "server.py", "import", *file, "--graph", graph_id, "--data", str(parsed.data), *config]
    choice = f" (NAME: {', '.join(served)})" if len(served) > 1 else ""
    return shlex.join(words) + choice


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
