import gc
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.tools.documents import DocumentIndex, document_tool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pets.md").write_text("Dogs bark.\n\nCats purr and sleep.")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "places.txt").write_text("東京の人口は約1400万人です。")
    (tmp_path / "image.png").write_bytes(b"Cats in a picture")
    return tmp_path


@pytest.fixture
def index(folder: Path) -> Iterator[DocumentIndex]:
    index = DocumentIndex(folder)
    yield index
    index.close()


def paths(index: DocumentIndex, query: str) -> list[str]:
    return [passage.path for passage in index.search(query)]


def test_words_are_found_in_files_of_text_in_any_script(index: DocumentIndex) -> None:
    assert paths(index, "what do cats do?") == ["pets.md"]
    assert paths(index, "東京") == ["deep/places.txt"]
    assert paths(index, "人口") == ["deep/places.txt"]
    assert paths(index, "picture") == []


HOSTILE = ["", "  ", "foo-bar", "C++", "what's…", "AND", "NEAR(a b)", '"', "*", "path:x", "((", "🦊", "\x00", "'; DROP"]


@pytest.mark.fault("tool.query")
@pytest.mark.parametrize("query", HOSTILE)
def test_no_query_is_a_syntax_error(index: DocumentIndex, query: str) -> None:
    assert paths(index, query) in ([], ["pets.md"])


def test_files_that_change_come_or_go_are_seen_at_the_next_search(index: DocumentIndex, folder: Path) -> None:
    assert paths(index, "purr") == ["pets.md"]
    (folder / "pets.md").write_text("Birds sing.")
    os.utime(folder / "pets.md", ns=(1, 1))
    (folder / "new.txt").write_text("A new purr.")
    assert paths(index, "purr") == ["new.txt"]
    (folder / "new.txt").unlink()
    assert paths(index, "purr") == []


def test_a_link_out_of_the_folder_is_not_followed(index: DocumentIndex, folder: Path, tmp_path_factory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.txt"
    secret.write_text("the secret word is swordfish")
    (folder / "link.txt").symlink_to(secret)
    assert paths(index, "swordfish") == []


async def test_the_tool_names_the_file_and_says_when_there_is_nothing(index: DocumentIndex, folder: Path) -> None:
    tool = document_tool(index)
    assert await tool.ainvoke({"query": "bark"}) == "[pets.md]\nDogs bark.\n\nCats purr and sleep."
    assert await tool.ainvoke({"query": "unicorn"}) == "Nothing was found."


def test_the_index_of_who_dropped_it_without_closing_is_closed(folder: Path) -> None:
    index = DocumentIndex(folder)
    index.search("spoons")
    database = index._database
    assert database is not None
    del index
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")
