"""The README's examples and its settings table, made from the running program: `python -m tests.readme_examples`.

A test compares the README with what this module makes, so that nothing in it is shown that does not happen. What
differs from run to run (ids, times, durations), and how long our prompts are in tokens, is left out of the comparison.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.processes import ROOT, running_server
from threadkeep.settings import SETTINGS, SettingDoc

README = ROOT / "README.md"
ADDRESS = "http://127.0.0.1:8123"

_CONSOLE = re.compile(r"^```console\n(\$ .*?)^```$", re.M | re.S)
_PROGRAM = re.compile(r"^```python\n(from langgraph_sdk .*?)^```\n\n```text\n(.*?)^```$", re.M | re.S)
_TABLE = re.compile(r"(?<=<!-- settings -->\n).*?(?=<!-- end of settings -->)", re.S)
_MARK = "@@@ end of command @@@"
_VARYING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(\+00:00|Z)"), "<time>"),
    (re.compile(r'("\w+_tokens":)\d+'), r"\1<tokens>"),
    (re.compile(r'("duration":)\d+\.\d+(e-\d+)?'), r"\1<seconds>"),
)


def stable(text: str) -> str:
    """Without what differs from run to run."""
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return text


def rewritten(text: str, url: str) -> str:
    """The README with every example's output replaced by what a fresh server at `url` answers now."""
    text = _CONSOLE.sub(lambda found: f"```console\n{_session(found[1], url)}```", text)
    text = _PROGRAM.sub(lambda found: f"```python\n{found[1]}```\n\n```text\n{_printed(found[1], url)}```", text)
    return _TABLE.sub(settings_table(), text)


def _session(shown: str, url: str) -> str:
    commands = [line.removeprefix("$ ") for line in shown.splitlines() if line.startswith("$ ")]
    script = "\n".join(f"{command}\necho; echo '{_MARK}'" for command in commands).replace(ADDRESS, url)
    answered = _run(["bash", "-eu", "-c", script]).replace(url, ADDRESS).split(_MARK)
    parts = [
        f"$ {command}\n{answer.strip()}\n" if answer.strip() else f"$ {command}\n"
        for command, answer in zip(commands, answered, strict=False)
    ]
    return "".join(parts).replace("\r\n", "\n")


def _printed(program: str, url: str) -> str:
    return _run([sys.executable, "-c", program.replace(ADDRESS, url)]).replace(url, ADDRESS)


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT).stdout


def settings_table() -> str:
    rows = [f"| `{doc.env}` | {_default(doc)} | {doc.help} |\n" for doc in SETTINGS]
    return "".join(["| Variable | Default | Meaning |\n", "| --- | --- | --- |\n", *rows])


def _default(doc: SettingDoc) -> str:
    if isinstance(doc.default, bool):
        return f"`{int(doc.default)}`"
    text = f"{doc.default:g}" if isinstance(doc.default, float) else str(doc.default or "")
    return f"`{text}`" if text else "`0`" if doc.default == 0 else ""


def main() -> None:
    os.environ["LANGSMITH_TRACING"] = "false"
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "data") as server:
        shown = README.read_text(encoding="utf-8")
        now = rewritten(shown, server.url)
    if stable(now) != stable(shown):
        README.write_text(now, encoding="utf-8")


if __name__ == "__main__":
    main()
