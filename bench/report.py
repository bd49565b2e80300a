"""Where benchmarks write what they measured: a marked section of docs/performance.md, with the machine it ran on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/performance.md"


def machine() -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}; "
        f"load averages {load}"
    )


def markdown(rows: list[tuple[str, ...]]) -> str:
    """A table; the first row is its head."""
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])


def write_section(name: str, heading: str, text: str) -> None:
    """Put the text between the section's markers, or below a new heading at the document's end."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    section = f"{begin}\n{text}\n{end}"
    document = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else "# Performance\n"
    if begin in document:
        document = re.sub(f"{begin}.*{end}", lambda _: section, document, flags=re.DOTALL)
    else:
        document = f"{document.rstrip()}\n\n## {heading}\n\n{section}\n"
    DOCUMENT.write_text(document, encoding="utf-8")


def memory(pid: int) -> int:
    """Bytes of the process that are in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")
