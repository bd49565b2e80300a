"""The fault catalogue and the tests, held together: a row has a test that names it, or says why it has none."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.graphs.test_fault_matrix import CASES

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
NUMBERED = [str(row) for row in range(1, 37)]
"""Rows of the first table: the server. The second, of the patterns, has rows with names."""
ROW = r"\d+|[a-z]+\.[a-z_]+"


def rows_with_a_test() -> set[str]:
    return {row for path in (ROOT / "tests").rglob("test_*.py") for row in _marked(path)} | {
        str(row) for case in CASES for mark in case.marks if mark.name == "fault" for row in mark.args
    }


def _marked(path: Path) -> Iterator[str]:
    """The rows named by the decorators of a file's tests."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute) and mark.func.attr == "fault":
                    yield from (str(argument.value) for argument in mark.args if isinstance(argument, ast.Constant))


def rows() -> list[str]:
    return re.findall(rf"^\| ({ROW}) \|", PAGE, flags=re.MULTILINE)


def explained_rows() -> set[str]:
    return set(re.findall(rf"^\| ({ROW}) \|.*\| not tested: .+\|$", PAGE, flags=re.MULTILINE))


def test_every_row_is_tested_or_explained_and_none_is_both() -> None:
    tested, explained = rows_with_a_test(), explained_rows()
    assert tested | explained == set(rows())
    assert not tested & explained


def test_the_document_lists_every_row_once() -> None:
    listed = rows()
    assert len(listed) == len(set(listed))
    assert [row for row in listed if row.isdigit()] == NUMBERED
