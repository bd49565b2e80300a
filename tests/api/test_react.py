"""@langchain/react in a real browser: a page on an origin of its own, against a running server."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.api_requirements import requirement
from tests.npm import INSTALL_SECONDS, npm_package
from tests.processes import ServerProcess

REACT = "19.2.8"
OTHERS = (f"react@{REACT}", f"react-dom@{REACT}", "@langchain/core@1.4.0", "esbuild@0.28.2")
SOURCES = Path(__file__).parent / "js"


@pytest.mark.timeout(INSTALL_SECONDS + 180)
@requirement("react.use_stream")
def test_a_page_chats_asks_and_fails_by_use_stream(trial: ServerProcess, tmp_path: Path) -> None:
    if shutil.which("chromium") is None:
        if os.environ.get("CI"):
            pytest.fail("chromium must be there in CI")
        pytest.skip("needs chromium")
    folder = npm_package("@langchain/react", "1.1.0", *OTHERS)
    for name in ("page.jsx", "browse.mjs"):
        (folder / name).write_bytes((SOURCES / name).read_bytes())
    page = tmp_path / "page.js"
    bundle = ["node_modules/.bin/esbuild", "page.jsx", "--bundle", f"--outfile={page}", "--jsx=automatic"]
    production = ["--define:process.env.NODE_ENV='production'", "--log-level=warning"]
    subprocess.run([*bundle, *production], cwd=folder, check=True, timeout=60)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = ["node", str(folder / "browse.mjs"), str(page), trial.url, str(tmp_path / "browser")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert ran.returncode == 0, ran.stderr
