"""Restarts the server when a source file changes; the data folder, and so every thread, stays.

uvicorn's own watchers need another package, or look at all that is below a folder, a virtual environment included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from uvicorn.supervisors.statreload import StatReload


class SourceReload(StatReload):
    def iter_py_files(self) -> Iterator[Path]:
        for folder in self.config.reload_dirs:
            yield from source_files(folder)


def source_files(folder: Path) -> Iterator[Path]:
    """The Python files and the `langgraph.json` below a folder; nothing hidden, and no installed packages."""
    for place, folders, names in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__")) and not Path(place, name, "pyvenv.cfg").exists()
        ]
        yield from (Path(place, name) for name in names if name.endswith(".py") or name == "langgraph.json")
