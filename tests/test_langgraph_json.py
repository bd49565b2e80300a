"""`langgraph.json`: what is read from it, which wrong values stop the start and how, what is only warned of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api_requirements import requirement
from threadkeep.config import Config, load_config
from threadkeep.config_values import Target
from threadkeep.errors import StartupError
from threadkeep.graphs import load_target
from threadkeep.storage_config import ThreadTtl

GRAPHS = {"graphs": {"agent": "./agent.py:graph"}}
INDEX = {"dims": 3, "embed": "openai:text-embedding-3-small"}


def loaded(folder: Path, **sections: Any) -> Config:
    path = folder / "langgraph.json"
    path.write_text(json.dumps({**GRAPHS, **sections}))
    return load_config(path)


@requirement("config.wrong")
@pytest.mark.parametrize(
    ("sections", "key", "allowed"),
    [
        ({"store": []}, "store", "an object"),
        ({"store": {"path": "no_colon"}}, "store.path", "path/to/file.py:variable"),
        ({"store": {"index": []}}, "store.index", "an object"),
        ({"store": {"index": {**INDEX, "dims": "3"}}}, "store.index.dims", "a whole number"),
        ({"store": {"index": {**INDEX, "dims": True}}}, "store.index.dims", "a whole number"),
        ({"store": {"index": {**INDEX, "dims": 0}}}, "store.index.dims", "from 1"),
        ({"store": {"index": {"embed": "a:b"}}}, "store.index.dims", "a whole number"),
        ({"store": {"index": {"dims": 3}}}, "store.index.embed", "provider:model"),
        ({"store": {"index": {**INDEX, "embed": "alone"}}}, "store.index.embed", "provider:model"),
        ({"store": {"index": {**INDEX, "fields": "text"}}}, "store.index.fields", "a list of strings"),
        ({"store": {"ttl": 5}}, "store.ttl", "an object"),
        ({"store": {"ttl": {"default_ttl": -1}}}, "store.ttl.default_ttl", "minutes above 0"),
        ({"store": {"ttl": {"default_ttl": True}}}, "store.ttl.default_ttl", "minutes above 0"),
        ({"store": {"ttl": {"sweep_interval_minutes": 0}}}, "store.ttl.sweep_interval_minutes", "minutes above 0"),
        ({"store": {"ttl": {"refresh_on_read": "yes"}}}, "store.ttl.refresh_on_read", "true or false"),
        ({"checkpointer": 1}, "checkpointer", "an object"),
        ({"checkpointer": {"backend": "mongo"}}, "checkpointer.backend", '"default" or "custom"'),
        ({"checkpointer": {"backend": "custom"}}, "checkpointer.path", "path/to/file.py:variable"),
        ({"checkpointer": {"ttl": {"strategy": "forget"}}}, "checkpointer.ttl.strategy", '"delete" or "keep_latest"'),
        ({"checkpointer": {"ttl": {"default_ttl": "1h"}}}, "checkpointer.ttl.default_ttl", "minutes above 0"),
        ({"checkpointer": {"ttl": {"sweep_limit": 0}}}, "checkpointer.ttl.sweep_limit", "at least 1"),
        ({"checkpointer": {"serde": {"pickle_fallback": 1}}}, "checkpointer.serde.pickle_fallback", "true or false"),
        (
            {"checkpointer": {"serde": {"allowed_msgpack_modules": ["a.b"]}}},
            "checkpointer.serde.allowed_msgpack_modules",
            "a list of types",
        ),
        (
            {"checkpointer": {"serde": {"allowed_json_modules": {"a": "b"}}}},
            "checkpointer.serde.allowed_json_modules",
            "a list of types",
        ),
        ({"http": {"cors": {"allow_origins": "*"}}}, "http.cors.allow_origins", "a list of strings"),
        ({"http": {"cors": {"max_age": "1h"}}}, "http.cors.max_age", "a whole number of seconds"),
        ({"http": {"cors": {"allow_origin_regex": "("}}}, "http.cors.allow_origin_regex", "a regular expression"),
        ({"http": {"cors": {"allow_credentials": 1}}}, "http.cors.allow_credentials", "true or false"),
        ({"env": {"A": ["b"]}}, "env.A", "a string or a number"),
        ({"dependencies": "."}, "dependencies", "a list of strings"),
        ({"env": 1}, "env", "the path of a .env file"),
    ],
)
def test_a_wrong_value_stops_the_start_with_its_path_and_what_is_allowed(
    tmp_path: Path, sections: dict[str, Any], key: str, allowed: str
) -> None:
    with pytest.raises(StartupError) as refused:
        loaded(tmp_path, **sections)
    assert f"`{key}` is " in str(refused.value)
    assert allowed in str(refused.value)
    assert str(tmp_path / "langgraph.json") in str(refused.value)


@requirement("config.warnings")
def test_unknown_and_unsupported_keys_are_named_wherever_they_stand(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        grpahs={},
        env="nowhere.env",
        dependencies=[".", "./nowhere"],
        http={"cors": {"allow_everybody": True}},
        ui={"a": "b"},
        store={"backend": "x", "index": {**INDEX, "kind": "hnsw"}, "ttl": {"omit": True}},
        checkpointer={"pool": 3, "ttl": {"minutes": 3}, "serde": {"yaml": True}},
    )
    for key in (
        "grpahs",
        "env",
        "dependencies",
        "http.cors.allow_everybody",
        "ui",
        "store.backend",
        "store.index.kind",
        "store.ttl.omit",
        "checkpointer.pool",
        "checkpointer.ttl.minutes",
        "checkpointer.serde.yaml",
    ):
        assert any(f"`{key}`" in warning for warning in config.warnings), key


def test_what_a_path_overrules_is_named(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        store={"path": "./mine.py:store", "index": INDEX},
        checkpointer={"path": "./mine.py:saver", "serde": {"pickle_fallback": False}, "ttl": {"default_ttl": 1}},
    )
    assert (config.store.target, config.checkpointer.target) == (
        Target("./mine.py", "store"),
        Target("./mine.py", "saver"),
    )
    named = [warning.partition("`")[2].partition("`")[0] for warning in config.warnings]
    assert sorted(named) == ["checkpointer.serde", "store.index"]


def test_the_sections_are_read_whole(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        store={
            "index": {"dims": 8, "embed": "./embed.py:words", "fields": ["a", "b.c"]},
            "ttl": {"default_ttl": 2.5, "refresh_on_read": False},
        },
        checkpointer={
            "ttl": {"strategy": "keep_latest", "default_ttl": 10, "sweep_interval_minutes": 2, "sweep_limit": 5},
            "serde": {"allowed_msgpack_modules": [["a.b", "C"]], "allowed_json_modules": True},
        },
    )
    assert config.store.index is not None
    assert config.store.index.embed == Target("./embed.py", "words")
    assert config.store.index.fields == ("a", "b.c")
    assert config.store.ttl == {"refresh_on_read": False, "default_ttl": 2.5, "sweep_interval_minutes": None}
    assert config.checkpointer.ttl == ThreadTtl("keep_latest", 10.0, 2.0, 5)
    assert config.checkpointer.ttl.for_new_threads() == {"ttl": 10.0, "strategy": "keep_latest"}
    assert config.checkpointer.serde is not None
    assert config.checkpointer.serde.allowed_msgpack_modules == (("a.b", "C"),)
    assert config.checkpointer.serde.runs_code


def test_nothing_said_means_nothing_expires_and_nothing_is_embedded(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert (config.store.index, config.store.ttl, config.checkpointer.serde) == (None, None, None)
    assert config.checkpointer.ttl.for_new_threads() is None
    assert config.warnings == ()


@requirement("config.broken_graph")
@pytest.mark.parametrize(
    ("source", "error", "line"),
    [
        ("def f():\n    return 1 / 0\nf()\n", "ZeroDivisionError: division by zero", "return 1 / 0"),
        ("raise KeyError('MY_SETTING')\n", "KeyError: 'MY_SETTING'", "raise KeyError"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3", "sys.exit(3)"),
        ("import nothing_of_this_name\n", "ModuleNotFoundError", "import nothing_of_this_name"),
        ("class Half(\n", "SyntaxError", "class Half("),
    ],
)
def test_whatever_a_graphs_file_raises_is_told_with_graph_file_and_line(
    tmp_path: Path, source: str, error: str, line: str
) -> None:
    (tmp_path / "bro-ken.py").write_text(source)
    with pytest.raises(StartupError) as refused:
        load_target(Target("./bro-ken.py", "graph"), tmp_path, "graphs.mine")
    said = str(refused.value)
    assert said.startswith("`graphs.mine` in langgraph.json: cannot import ./bro-ken.py: ")
    assert error in said
    assert line in said
    assert "bro-ken.py" in said.partition("cannot import ./bro-ken.py: ")[2]
