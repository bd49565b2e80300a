"""Packages from npm that tests need: installed once, into a cache folder of the user's, never into the repository.

Without node and npm such a test is left out, except where `CI` is set: there their absence is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

INSTALL_SECONDS = 300


def npm_package(name: str, version: str, *others: str) -> Path:
    """The folder whose `node_modules` holds that version of the package, and `others`, each as `name@version`."""
    missing = [program for program in ("node", "npm") if shutil.which(program) is None]
    if missing:
        if os.environ.get("CI"):
            pytest.fail(f"{' and '.join(missing)} must be there in CI")
        pytest.skip(f"needs {' and '.join(missing)}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "threadkeep-tests" / f"{name.rpartition('/')[2]}-{version}"
    wanted = [name, *(other.rpartition("@")[0] for other in others)]
    if not all((folder / "node_modules" / package / "package.json").exists() for package in wanted):
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"{name}@{version}", *others]
        subprocess.run(command, check=True, timeout=INSTALL_SECONDS)
    return folder
