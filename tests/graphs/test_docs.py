"""The documents name every setting of the graphs, and show what the comparison prints."""

import asyncio
from dataclasses import fields
from pathlib import Path

import pytest

from bench.compare import compare
from nodes.context import PlanContext, SearchContext
from nodes.offline import OfflineChatModel

ROOT = Path(__file__).parents[2]


def test_every_setting_of_the_graphs_is_in_the_documents() -> None:
    told = (ROOT / "docs" / "models.md").read_text() + (ROOT / "docs" / "patterns.md").read_text()
    settings = {setting.name for kind in (PlanContext, SearchContext) for setting in fields(kind)}
    assert len(settings) > 25
    assert [name for name in sorted(settings) if f"`{name}`" not in told] == []


def test_the_comparison_in_the_documents_is_what_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(compare(OfflineChatModel(), 0.0, 0.0))
    printed = capsys.readouterr().out.splitlines()[1:]
    text = (ROOT / "docs" / "patterns.md").read_text()
    shown = text[text.index("\ncreate_agent ") + 1 :].splitlines()[: len(printed)]
    for now, then in zip(printed, shown, strict=True):
        assert columns(now) == columns(then)


def columns(row: str) -> tuple[list[str], str]:
    """Agent, right answers, calls, what was not solved. Tokens hang on the documents, seconds on the machine."""
    name, correct, calls, _, _, _, *failed = row.split()
    return [name, correct, calls], " ".join(failed)
