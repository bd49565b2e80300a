"""Every row of the fault catalogue has a test that names it, or a line in docs/faults.md that says why not."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROWS = range(1, 36)


def rows_with_a_test() -> set[int]:
    found: set[int] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for numbers in re.findall(r"mark\.fault\(([\d, ]+)\)", path.read_text(encoding="utf-8")):
            found |= {int(number) for number in numbers.split(",")}
    return found


def explained_rows() -> set[int]:
    text = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
    return {int(number) for number in re.findall(r"^\| (\d+) \|.*\| not tested: .+\|$", text, flags=re.MULTILINE)}


def test_every_row_is_tested_or_explained_and_none_is_both() -> None:
    tested, explained = rows_with_a_test(), explained_rows()
    assert tested | explained == set(ROWS)
    assert not tested & explained


def test_the_document_lists_every_row_once() -> None:
    text = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE)] == list(ROWS)
