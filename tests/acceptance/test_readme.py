"""What the README shows is what happens: its commands and programs are run, and their output is compared."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from tests.acceptance.talking import chat
from tests.acceptance.test_starting import copied_project
from tests.model_server.server import model_server
from tests.processes import ROOT, running_server
from tests.readme_examples import README, rewritten, stable


def test_every_example_in_the_readme_gives_the_output_shown_there(data_dir: Path) -> None:
    shown = README.read_text(encoding="utf-8")
    with running_server(data_dir) as server:
        now = rewritten(shown, server.url)
    difference = difflib.unified_diff(stable(shown).splitlines(), stable(now).splitlines(), "README", "now", n=0)
    assert not list(difference), "run `make readme` and look at what changed"
    assert shown.count("\n$ ") >= 5
    assert "<!-- settings -->" in shown


def test_every_file_and_make_target_the_readme_names_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"make ([a-z][a-z-]*)", text))
    assert named <= targets
    assert {"run", "test", "check"} <= named
    paths = set(re.findall(r"`([a-z_./]+\.(?:py|json|md|yaml|sql)|[a-z_/]+/)`", text))
    missing = {path for path in paths if not (ROOT / path).exists() and not (ROOT / "threadkeep" / path).exists()}
    assert not missing
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", text)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_graph_of_the_guide_answers_when_the_guide_is_followed(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "add-a-graph.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", guide, re.M | re.S)
    (entry,) = re.findall(r"^ *```json\n(.*?)^ *```$", guide, re.M | re.S)
    project = copied_project(tmp_path / "project")
    (project / "graphs" / "words.py").write_text(program)
    config = json.loads((project / "langgraph.json").read_text())
    config["graphs"] |= json.loads(f"{{{entry}}}")
    (project / "langgraph.json").write_text(json.dumps(config))
    with running_server(tmp_path / "data", program=project / "server.py") as server, server.client() as client:
        assert "words" in server.banner
        assert chat(client, "one two three", graph="words")["response"] == "3 words"


def test_the_tool_of_the_guide_is_called_when_the_guide_is_followed(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "add-a-tool.md").read_text(encoding="utf-8")
    source, offering = re.findall(r"^```python\n(.*?)^```$", guide, re.M | re.S)
    project = copied_project(tmp_path / "project")
    (project / "nodes" / "tools" / "dice.py").write_text(source)
    imported, _, listed = offering.strip().partition("\n\n")
    standard = project / "nodes" / "tools" / "standard.py"
    text = standard.read_text().replace("\nfrom nodes", f"\n{imported}\nfrom nodes", 1)
    changed = re.sub(r"( +)tools: list\[BaseTool\] = .*\n", rf"\1{listed}\n", text)
    assert changed.count("throw_dice") == 2
    standard.write_text(changed)

    def brain(messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: Any) -> AIMessage:
        if isinstance(messages[-1], ToolMessage):
            return AIMessage(str(messages[-1].text))
        args = json.loads(str(messages[-1].text))
        return AIMessage("", tool_calls=[{"name": "throw_dice", "args": args, "id": "1"}])

    with model_server(brain) as model:
        environment = {"MODEL": "openai:thrower", "OPENAI_BASE_URL": model.base_url}
        started = running_server(tmp_path / "data", program=project / "server.py", environment=environment)
        with started as server, server.client() as client:
            thrown = chat(client, '{"sides": 6, "count": 3}')
            refused = chat(client, '{"sides": 1}')
    assert re.fullmatch("[1-6], [1-6], [1-6]", thrown["response"])
    assert thrown["tools_used"] == ["throw_dice"]
    assert refused["response"] == "between 1 and 100 dice of 2 to 1000 sides can be thrown"
