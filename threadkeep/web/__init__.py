"""The inspector, Threadkeep's own page: what stands in this folder, and under which path each file is served.

Plain files, as the browser takes them: nothing is built. `vendor/` holds libraries from npm, byte for byte; its
`manifest.json` says which, with their hashes.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = "/inspect"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def _served_files() -> dict[str, Path]:
    files = {
        f"{PAGE}/{file.relative_to(FOLDER).as_posix()}": file
        for file in sorted(FOLDER.rglob("*"))
        if file.suffix in MEDIA_TYPES and file.name != "index.html"
    }
    return {PAGE: FOLDER / "index.html", **files}


FILES: dict[str, Path] = _served_files()
"""Every path of the inspector, with the file that answers it; no other file of the machine can be asked for."""
