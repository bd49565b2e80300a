"""Threadkeep's own pages, the inspector and the API's documentation: which file of this folder is served where.

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


DOCS = "/docs"
DOCS_FILES: dict[str, Path] = {
    DOCS: FOLDER / "docs.html",
    f"{DOCS}/docs.js": FOLDER / "docs.js",
    f"{DOCS}/swagger-ui-bundle.js": FOLDER / "vendor" / "swagger-ui-bundle.js",
    f"{DOCS}/swagger-ui.css": FOLDER / "vendor" / "swagger-ui.css",
}
"""Every path of the API's documentation, with the file that answers it."""


def _served_files() -> dict[str, Path]:
    files = {
        f"{PAGE}/{file.relative_to(FOLDER).as_posix()}": file
        for file in sorted(FOLDER.rglob("*"))
        if file.suffix in MEDIA_TYPES and file.name != "index.html" and file not in DOCS_FILES.values()
    }
    return {PAGE: FOLDER / "index.html", **files}


FILES: dict[str, Path] = _served_files()
"""Every path of the inspector, with the file that answers it; no other file of the machine can be asked for."""
