"""What the documents tell to do works when it is done."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from nodes.context import PlanContext, SearchContext

ROOT = Path(__file__).parents[2]
ASK = """
import asyncio
from langchain_core.messages import AIMessage, ToolMessage
from nodes.context import ModelContext
from graphs.react import graph
from nodes.tools.standard import StandardToolkit

async def main():
    kit = StandardToolkit()
    for args in ({"sides": 6, "count": 3}, {"sides": 1}):
        call = {"name": "throw_dice", "args": args, "id": "1", "type": "tool_call"}
        result = await kit.run(call, {}, ModelContext())
        print(result.status, result.text)

asyncio.run(main())
"""


def blocks(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / document).read_text(), re.DOTALL)


def test_the_tool_of_the_document_works_when_it_is_added_as_told(tmp_path: Path) -> None:
    for package in ("graphs", "nodes"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    source, offering = blocks("add-a-tool.md")
    (tmp_path / "nodes" / "tools" / "dice.py").write_text(source)
    imported, _, listed = offering.strip().partition("\n\n")
    standard = tmp_path / "nodes" / "tools" / "standard.py"
    text = standard.read_text()
    text = standard.read_text().replace("\nfrom nodes", f"\n{imported}\nfrom nodes", 1)
    changed = re.sub(r"( +)tools: list\[BaseTool\] = .*\n", rf"\1{listed}\n", text)
    assert changed.count("throw_dice") == 2
    standard.write_text(changed)
    environ = {**os.environ, "MODEL": "offline", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    thrown, refused = done.stdout.splitlines()
    assert re.fullmatch(r"success [1-6], [1-6], [1-6]", thrown)
    assert refused == "error between 1 and 100 dice of 2 to 1000 sides can be thrown"


def test_every_setting_of_the_graphs_is_in_the_documents() -> None:
    told = (ROOT / "docs" / "models.md").read_text() + (ROOT / "docs" / "patterns.md").read_text()
    settings = {setting.name for kind in (PlanContext, SearchContext) for setting in fields(kind)}
    assert len(settings) > 25
    assert [name for name in sorted(settings) if f"`{name}`" not in told] == []
