"""Every row of the manifest has a test, and every test that names a row names one that exists."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.api_requirements import REQUIREMENTS, as_markdown

TESTS = Path(__file__).parent


def named_rows() -> Iterator[str]:
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "requirement":
                    yield from (str(argument.value) for argument in mark.args if isinstance(argument, ast.Constant))


def test_every_behaviour_in_the_manifest_is_shown_by_a_test() -> None:
    assert set(REQUIREMENTS) - set(named_rows()) == set()


def test_every_behaviour_a_test_names_is_in_the_manifest() -> None:
    assert set(named_rows()) - set(REQUIREMENTS) == set()


def test_the_documentation_shows_the_manifest_as_it_is() -> None:
    page = (TESTS.parent / "docs" / "api.md").read_text(encoding="utf-8")
    assert as_markdown() in page, "print the table anew: python -m tests.api_requirements"
