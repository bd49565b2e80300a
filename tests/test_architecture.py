"""The rules that hold the project together, checked on its sources, its locks and its documents."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.processes import ROOT
from tests.readme_examples import settings_table
from threadkeep.settings import SETTINGS

OURS = ("server", "graphs", "nodes", "checkpoints", "threadkeep")
LOCKS = ("requirements.lock", "requirements-dev.lock")
MOST_LINES = 400

# The borders where anything may arrive: a graph's own errors, what no route foresaw, what a tool or an
# embedding raises, what happens when a project is imported, and what one piece of work does to those beside it.
BORDERS = {
    "threadkeep/runs/execute.py",
    "threadkeep/errors.py",
    "threadkeep/going_on.py",
    "threadkeep/storage/sqlite.py",
    "threadkeep/api/errors.py",
    "nodes/tools/toolkit.py",
    "checkpoints/store/index.py",
    "threadkeep/graphs.py",
    "threadkeep/state_reading.py",
    "threadkeep/json.py",
}

# Read by the libraries, or told to the shipped graphs by the server itself.
NOT_SETTINGS = {"LANGGRAPH_STRICT_MSGPACK"}

# The first releases without a known hole that this project could be hit by.
FIRST_SAFE = {
    "langgraph-checkpoint": "4.0.1",  # code run by reading a checkpoint (CVE-2026-28277, CVE-2025-64439)
    "langgraph-checkpoint-sqlite": "3.0.1",  # SQL injection by a metadata filter's key (CVE-2025-67644)
    "langchain-core": "1.2.5",  # injection through serialised messages (CVE-2025-68664)
    "starlette": "1.0.1",  # Host header poisoning (CVE-2026-48710)
    "apsw": "3.51.3.0",  # the SQLite inside: a WAL that two connections could corrupt
}


def sources() -> Iterator[Path]:
    for name in OURS:
        path = ROOT / name
        yield from [path.with_suffix(".py")] if path.with_suffix(".py").exists() else sorted(path.rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def locked(lock: str) -> dict[str, Version]:
    pinned = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", (ROOT / lock).read_text(), re.M)
    return {name.lower(): Version(version) for name, version in pinned}


def test_imports_flow_as_the_contracts_say() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout
    assert "0 broken" in checked.stdout


def test_no_installed_distribution_has_a_module_of_our_names() -> None:
    installed = packages_distributions()
    taken = {name: set(installed.get(name, [])) - {"threadkeep"} for name in OURS}
    assert not any(taken.values()), taken


def test_no_module_is_longer_than_a_few_screens() -> None:
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert len(lengths) > 50
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_errors_are_caught_by_their_class_outside_the_borders() -> None:
    blind = [
        f"{relative(path)}:{handler.lineno}"
        for path in sources()
        if relative(path) not in BORDERS
        for handler in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(handler, ast.ExceptHandler) and catches_all(handler) and not passes_on(handler)
    ]
    assert blind == []


def catches_all(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or ast.unparse(kind) in ("Exception", "BaseException") for kind in kinds)


def passes_on(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def variables_read() -> set[str]:
    """Every environment variable that a source names."""
    pattern = re.compile(r"""environ(?:\.(?:get|setdefault)\(|\[|,\s*)["']([A-Z][A-Z_]+)["']""")
    return {name for path in sources() for name in pattern.findall(path.read_text(encoding="utf-8"))} - NOT_SETTINGS


def test_every_setting_is_in_the_readme_and_nothing_else() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)`", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    assert len(rows) == len(set(rows))
    assert set(rows) == {setting.env for setting in SETTINGS} | variables_read()


def test_the_readmes_table_of_settings_is_what_the_settings_say() -> None:
    assert settings_table() in (ROOT / "README.md").read_text(encoding="utf-8"), "run `make readme`"


def test_the_example_env_file_names_every_variable_of_the_shipped_graphs() -> None:
    named = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.M)
    assert set(named) == variables_read() - {setting.env for setting in SETTINGS}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_package_by_hash_and_names_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    entries = re.findall(r"^\S.*?(?=^\S|\Z)", re.sub(r"^#.*\n", "", text, flags=re.M), re.M | re.S)
    assert len(entries) > 30
    assert [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_the_running_lock_is_part_of_the_development_lock() -> None:
    runtime, development = (locked(lock) for lock in LOCKS)
    assert {name: version for name, version in runtime.items() if development.get(name) != version} == {}


def test_what_is_needed_is_locked_at_or_above_its_floor() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {"requirements.lock": project["dependencies"]}
    wanted["requirements-dev.lock"] = project["dependencies"] + project["optional-dependencies"]["dev"]
    for lock, requirements in wanted.items():
        pinned = locked(lock)
        for requirement in map(Requirement, requirements):
            assert requirement.specifier.contains(pinned[requirement.name.lower()]), (lock, str(requirement))


@pytest.mark.parametrize(("name", "first_safe"), FIRST_SAFE.items())
def test_floors_keep_known_holes_out(name: str, first_safe: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirement = next(found for found in map(Requirement, project["dependencies"]) if found.name == name)
    floors = [Version(part.version) for part in requirement.specifier if part.operator == ">="]
    assert floors
    assert max(floors) >= Version(first_safe)


def test_every_file_of_sql_is_part_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["threadkeep"]
    package = ROOT / "threadkeep"
    found = {path.relative_to(package) for path in package.rglob("*.sql")}
    assert found
    assert [path for path in found if not any(path.match(pattern) for pattern in patterns)] == []


def test_the_image_is_built_from_what_the_server_needs_and_nothing_else() -> None:
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    names = {name.rstrip("/") for line in copied for name in line.split()}
    assert {"requirements.lock", "langgraph.json", "docs", "server.py", *OURS[1:]} == names
