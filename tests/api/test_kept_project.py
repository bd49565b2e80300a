"""What the `store` and `checkpointer` sections of `langgraph.json` do in a running server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from langgraph_sdk import get_client

from tests.acceptance.talking import wait_until
from tests.api.sdk import Sdk
from tests.api_requirements import requirement
from tests.processes import ROOT, ServerProcess, run_to_end, running_server

KEPT_PROJECT = ROOT / "tests" / "projects" / "kept" / "langgraph.json"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("kept") / "data", config=KEPT_PROJECT) as server:
        yield server


@pytest.fixture
async def sdk(kept: ServerProcess) -> AsyncIterator[Sdk]:
    async with get_client(url=kept.url, api_key=None) as client:
        yield client


@requirement("store.search.meaning")
async def test_items_are_found_by_meaning_the_nearest_first(sdk: Sdk) -> None:
    root = uuid4().hex
    for key, text in (("zoo", "zzz zebra"), ("tea", "tea eats ate"), ("cat", "a cat acts")):
        await sdk.store.put_item([root], key, {"text": text, "letters": len(text)})
    await sdk.store.put_item([root], "hidden", {"text": "zzzzzz", "letters": 6}, index=False)
    await sdk.store.put_item([root], "titled", {"text": "nothing", "title": "zz", "letters": 7}, index=["title"])
    found = (await sdk.store.search_items([root], query="zz"))["items"]
    keys = [item["key"] for item in found]
    assert (keys[:2], set(keys[2:4]), keys[4:]) == (["titled", "zoo"], {"tea", "cat"}, ["hidden"])
    assert found[0]["score"] == pytest.approx(1.0)
    assert found[-1]["score"] is None
    assert 0.5 < found[1]["score"] < 1
    short = (await sdk.store.search_items([root], query="zz", filter={"letters": {"$gt": 7}}, limit=1))["items"]
    assert [item["key"] for item in short] == ["zoo"]
    assert {item["score"] for item in (await sdk.store.search_items([root]))["items"]} == {None}


@requirement("store.nodes")
async def test_async_and_plain_nodes_use_the_store_that_clients_see(sdk: Sdk) -> None:
    root = uuid4().hex
    values = await sdk.runs.wait(None, "remembering", input={"root": root})
    assert values["found"][0] == "zoo"
    assert values["again"] == ["jam"]
    assert (await sdk.store.get_item([root, "texts"], "jam"))["value"] == {"text": "jjj jam"}


@requirement("store.ttl")
async def test_an_item_is_gone_when_its_time_is_over(sdk: Sdk, kept: ServerProcess) -> None:
    root = uuid4().hex
    await sdk.store.put_item([root], "short", {"v": 1}, ttl=0.001)
    await sdk.store.put_item([root], "default", {"v": 1})
    with kept.client() as client:

        def there() -> list[str]:
            items = client.post("/store/items/search", json={"namespace_prefix": [root]}).json()["items"]
            return [item["key"] for item in items]

        wait_until(lambda: there() == ["default"], what="the end of an item")
    assert await sdk.store.get_item([root], "short") is None


@requirement("store.created_at")
async def test_an_overwritten_item_keeps_when_it_was_created(sdk: Sdk) -> None:
    root = uuid4().hex
    await sdk.store.put_item([root], "k", {"v": 1})
    first = await sdk.store.get_item([root], "k")
    await sdk.store.put_item([root], "k", {"v": 2})
    second = await sdk.store.get_item([root], "k")
    assert second["created_at"] == first["created_at"]
    assert second["updated_at"] > first["updated_at"]


@requirement("threads.ttl.default")
async def test_threads_get_the_configured_time_to_live_unless_they_ask_for_their_own(sdk: Sdk) -> None:
    made = await sdk.threads.create()
    ttl = (await sdk.threads.get(made["thread_id"], include=["ttl"]))["ttl"]
    assert (ttl["ttl"], ttl["strategy"]) == (90, "keep_latest")
    lived = datetime.fromisoformat(ttl["expires_at"]) - datetime.fromisoformat(str(made["created_at"]))
    assert timedelta(minutes=89) < lived <= timedelta(minutes=90)
    own = await sdk.threads.create(ttl=5)
    assert (await sdk.threads.get(own["thread_id"], include=["ttl"]))["ttl"]["ttl"] == 5
    copied = await sdk.threads.copy(own["thread_id"])
    assert (await sdk.threads.get(copied["thread_id"], include=["ttl"]))["ttl"]["ttl"] == 90
    run = await sdk.runs.create(str(uuid4()), "remembering", input={"root": uuid4().hex}, if_not_exists="create")
    assert (await sdk.threads.get(run["thread_id"], include=["ttl"]))["ttl"]["ttl"] == 90


@requirement("config.serde")
async def test_only_types_that_the_configuration_names_come_back_from_a_checkpoint(sdk: Sdk) -> None:
    thread = await sdk.threads.create()
    await sdk.runs.wait(thread["thread_id"], "planned", input={})
    values = await sdk.runs.wait(thread["thread_id"], "planned", command={"resume": True})
    assert values["got"] == {"plan": "Plan", "unnamed": "dict", "pickled": "complex"}


@requirement("config.warnings")
def test_keys_without_effect_and_dangerous_ones_are_named_in_the_log(kept: ServerProcess) -> None:
    for words in (
        "unknown key `graphics`",
        "`graphs.remembering.colour` is not known",
        "`checkpointer.serde.compression` is not supported",
        "lets checkpoints name any code to run",
    ):
        assert words in kept.log


@requirement("store.index.changed")
def test_another_embedding_is_refused_at_the_start_until_the_items_are_embedded_anew(tmp_path: Path) -> None:
    project, data = tmp_path / "project", tmp_path / "data"
    project.mkdir()
    (project / "graph.py").write_text(GRAPH)
    put = {"namespace": ["a"], "value": {"text": "abc"}}
    with running_server(data, config=configured(project, dims=2)) as server, server.client() as client:
        assert client.put("/store/items", json={**put, "key": "one"}).status_code == 204
        assert client.put("/store/items", json={**put, "key": "none", "index": False}).status_code == 204
        assert server.stop() == 0
    config = str(configured(project, dims=3))
    refused = run_to_end("--port", "0", "--data", str(data), "--config", config)
    assert refused.returncode == 1
    assert "dims 2" in refused.stderr
    assert "dims 3" in refused.stderr
    assert "python server.py reindex" in refused.stderr
    assert "Traceback" not in refused.stderr
    done = run_to_end("reindex", "--data", str(data), environment={"LANGGRAPH_CONFIG": config})
    assert (done.returncode, done.stdout) == (0, "1 store items were embedded anew.\n"), done.stderr
    with running_server(data, config=Path(config)) as server, server.client() as client:
        found = client.post("/store/items/search", json={"namespace_prefix": ["a"], "query": "abc"}).json()["items"]
        assert [(item["key"], item["score"]) for item in found] == [("one", pytest.approx(1.0)), ("none", None)]


@requirement("store.embedding.fails")
def test_an_embedding_that_fails_is_a_503_in_words_and_stores_nothing(tmp_path: Path) -> None:
    (tmp_path / "graph.py").write_text(GRAPH)
    config = configured(tmp_path, dims=2, embed="fails")
    with running_server(tmp_path / "data", config=config) as server, server.client() as client:
        answer = client.put("/store/items", json={"namespace": ["a"], "key": "k", "value": {"text": "abc"}})
        assert (answer.status_code, "no such model" in answer.json()["detail"]) == (503, True)
        assert client.get("/store/items", params={"namespace": "a", "key": "k"}).json() is None
        plain = client.put("/store/items", json={"namespace": ["a"], "key": "k", "value": {}, "index": False})
        assert plain.status_code == 204


GRAPH = """
import os
from langgraph.graph import START, MessagesState, StateGraph

def embed(texts):
    return [[float(len(text))] * int(os.environ["DIMS"]) for text in texts]

def fails(texts):
    raise LookupError("no such model")

graph = StateGraph(MessagesState).add_node("answer", lambda state: {}).add_edge(START, "answer").compile()
"""


def configured(project: Path, *, dims: int, embed: str = "embed") -> Path:
    config = {
        "graphs": {"g": "./graph.py:graph"},
        "env": {"DIMS": str(dims)},
        "store": {"index": {"dims": dims, "embed": f"./graph.py:{embed}"}},
    }
    path = project / f"langgraph{dims}.json"
    path.write_text(json.dumps(config))
    return path
