"""Full-text search over a folder of text files, kept up to date as they change.

The index is SQLite FTS5 in memory. Before each search the folder is looked through, and files that are new, changed
or gone are indexed anew. A query is split into words that are quoted one by one, so no query can be a syntax error;
Chinese, Japanese and Korean characters are indexed one by one, because nothing separates their words.
"""

import asyncio
import re
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from langchain_core.tools import BaseTool, ToolException, tool

KINDS = (".md", ".txt", ".rst", ".csv", ".json", ".yaml", ".yml", ".toml", ".html")
MAX_FILES = 5_000
MAX_BYTES = 2_000_000
"""Larger files are not indexed."""
PASSAGE = 1_200
_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af])")


@dataclass(frozen=True)
class Passage:
    """A found piece of a file; `path` is relative to the folder."""

    path: str
    text: str


@dataclass
class DocumentIndex:
    """The index of one folder. Safe to use from several threads, one at a time."""

    folder: Path
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _database: sqlite3.Connection | None = None

    def search(self, query: str, limit: int = 5) -> list[Passage]:
        """The passages that hold most of the query's words, best first."""
        words = list(dict.fromkeys(re.findall(r"\w+", _spaced(query))))[:32]
        with self._lock:
            self._refresh()
            if not words:
                return []
            rows = self._open().execute(
                "SELECT path, text FROM passages WHERE passages MATCH ? ORDER BY bm25(passages) LIMIT ?",
                (" OR ".join(f'"{word}"' for word in words), limit),
            )
            return [Passage(path, text) for path, text in rows]

    def close(self) -> None:
        if self._database:
            self._database.close()
            self._database, self._seen = None, {}

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = sqlite3.connect(":memory:", check_same_thread=False)
            weakref.finalize(self, self._database.close)  # for whoever drops the index without closing it
            self._database.execute("CREATE VIRTUAL TABLE passages USING fts5(path UNINDEXED, text UNINDEXED, words)")
        return self._database

    def _refresh(self) -> None:
        found = dict(self._files())
        database = self._open()
        for path in [path for path, seen in self._seen.items() if found.get(path) != seen]:
            database.execute("DELETE FROM passages WHERE path = ?", (path,))
            del self._seen[path]
        for path in [path for path in found if path not in self._seen]:
            text = (self.folder / path).read_text("utf-8", errors="replace")
            rows = [(path, passage, _spaced(f"{path} {passage}")) for passage in _passages(text)]
            database.executemany("INSERT INTO passages VALUES (?, ?, ?)", rows)
            self._seen[path] = found[path]

    def _files(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Each file to index with what tells its version; links that lead out of the folder are not followed."""
        root = self.folder.resolve()
        for path in sorted(self.folder.rglob("*"))[:MAX_FILES]:
            if path.suffix.lower() not in KINDS or not path.resolve().is_relative_to(root) or not path.is_file():
                continue
            status = path.stat()
            if status.st_size <= MAX_BYTES:
                yield path.relative_to(self.folder).as_posix(), (status.st_mtime_ns, status.st_size)


def document_tool(index: DocumentIndex) -> BaseTool:
    """A `search_documents` tool over `index`."""

    @tool
    async def search_documents(query: str) -> str:
        """Search the local documents for words; gives the best passages with the file each one stands in."""
        if not index.folder.is_dir():
            raise ToolException("there are no documents here")
        found = await asyncio.to_thread(index.search, query)
        return "\n\n".join(f"[{passage.path}]\n{passage.text}" for passage in found) or "Nothing was found."

    return search_documents


def _spaced(text: str) -> str:
    return _CJK.sub(r" \1 ", text)


def _passages(text: str) -> Iterator[str]:
    """The text in pieces of at most PASSAGE characters, cut between paragraphs where it can be."""
    piece = ""
    for paragraph in re.split(r"\n\s*\n", text):
        if piece and len(piece) + len(paragraph) > PASSAGE:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{paragraph}".strip()
        while len(piece) > PASSAGE:
            yield piece[:PASSAGE]
            piece = piece[PASSAGE:]
    if piece:
        yield piece
