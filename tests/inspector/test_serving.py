"""How the inspector's files are served, and what they are."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest

from tests.processes import ROOT, ServerProcess, running_server
from threadkeep.web import DOCS_FILES, FILES, FOLDER

MOST_BYTES = 300_000
MOST_LINES = 250
MOST_COLUMNS = 120


def test_the_page_is_served_under_a_strict_policy_with_a_tag(http: httpx.Client) -> None:
    page = http.get("/inspect")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["x-content-type-options"] == "nosniff"
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    again = http.get("/inspect", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", [*FILES, *DOCS_FILES])
def test_every_file_is_served_with_its_type(http: httpx.Client, path: str) -> None:
    file = {**FILES, **DOCS_FILES}[path]
    for encoding in ("gzip", "identity"):
        answer = http.get(path, headers={"accept-encoding": encoding})
        assert answer.status_code == 200
        assert answer.content == file.read_bytes()
    kinds = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(kinds.get(file.suffix, "text/html"))


@pytest.mark.parametrize("path", ["/inspect/nothing.js", "/inspect/__init__.py", "/inspect/..%2f__init__.py"])
def test_no_other_file_can_be_asked_for(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404


def test_the_whole_page_is_under_300_kilobytes_compressed() -> None:
    assert sum(len(gzip.compress(file.read_bytes())) for file in FILES.values()) < MOST_BYTES


def test_the_pages_hold_no_inline_script_or_style_and_name_no_other_server() -> None:
    for name in ("index.html", "docs.html"):
        page = (FOLDER / name).read_text(encoding="utf-8")
        assert re.findall(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", page) == []
    own = [file for file in (*FILES.values(), *DOCS_FILES.values()) if file.parent == FOLDER]
    foreign = {file.name: re.findall(r"https?://(?!www\.w3\.org/)\S+", file.read_text()) for file in own}
    assert not any(foreign.values()), foreign


def test_the_page_asks_for_all_modules_at_once() -> None:
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    named = re.findall(r'(?:src|href)="(inspect/[^"]+\.m?js)"', page)
    assert sorted(f"/{name}" for name in named) == sorted(path for path in FILES if path.endswith("js"))


def test_the_modules_are_short_and_their_lines_too() -> None:
    lines = {file.name: file.read_text(encoding="utf-8").splitlines() for file in FOLDER.glob("*.js")}
    assert {name: len(found) for name, found in lines.items() if len(found) > MOST_LINES} == {}
    assert [f"{name}: {line}" for name, found in lines.items() for line in found if len(line) > MOST_COLUMNS] == []


def test_the_libraries_are_those_of_the_manifest_byte_for_byte() -> None:
    vendor = FOLDER / "vendor"
    manifest = json.loads((vendor / "manifest.json").read_text(encoding="utf-8"))
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in vendor.iterdir()
        if file.name != "manifest.json"
    }
    assert found == {name: entry["sha256"] for name, entry in manifest.items()}


def test_the_files_are_part_of_the_package() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for file in (*FILES.values(), *DOCS_FILES.values()):
        folder = file.parent.relative_to(FOLDER.parent).as_posix()
        assert any(f'"{folder}/{pattern}"' in project for pattern in (f"*{file.suffix}", "*")), file


def test_the_banner_names_it(shipped: ServerProcess) -> None:
    assert f"Inspector {shipped.url}/inspect" in shipped.banner


def test_disable_ui_takes_it_away(data_dir: Path, tmp_path: Path) -> None:
    config = tmp_path / "langgraph.json"
    graphs = {"echo": str(ROOT / "tests/projects/trial/trial_graphs/echo.py:graph")}
    config.write_text(json.dumps({"dependencies": ["."], "graphs": graphs, "http": {"disable_ui": True}}))
    with running_server(data_dir, config=config) as server, server.client() as client:
        assert "Inspector" not in server.banner
        assert client.get("/inspect").status_code == 404
        assert client.get("/inspect/app.js").status_code == 404
        assert client.get("/ok").status_code == 200
