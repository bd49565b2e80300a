"""A project's own `langgraph_sdk.Auth`: who asks, what is stored, what is seen, what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.auth.conftest import GUARDED
from tests.processes import ServerProcess, run_to_end, running_server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("handled"), config=GUARDED / "with_handlers.json") as server:
        yield server


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("named"), config=GUARDED / "without_rules.json") as server:
        yield server


class Person:
    """Asks a server under a name; a connection a request, so that nothing has to be closed."""

    def __init__(self, server: ServerProcess, **headers: str) -> None:
        self._url = server.url
        self._headers = headers

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        return httpx.request(method, self._url + path, headers=self._headers, timeout=30, **given)

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.request("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.request("POST", path, **given)

    def put(self, path: str, **given: Any) -> httpx.Response:
        return self.request("PUT", path, **given)

    def delete(self, path: str) -> httpx.Response:
        return self.request("DELETE", path)


def person(server: ServerProcess, name: str) -> Person:
    return Person(server, authorization=f"Bearer {name}")


def test_who_the_project_does_not_know_is_refused_in_its_own_words(guarded: ServerProcess) -> None:
    refused = person(guarded, "mallory").post("/threads/search", json={})
    assert (refused.status_code, refused.json()) == (
        401,
        {"detail": "Nobody may POST /threads/search as mallory"},
    )


def test_a_filter_narrows_what_is_there_and_a_change_of_the_value_is_stored(guarded: ServerProcess) -> None:
    ada, bob, eve = (person(guarded, name) for name in ("ada", "bob", "eve"))
    thread = ada.post("/threads", json={"metadata": {"topic": "shared", "team": "blue"}}).json()
    assert thread["metadata"] == {"topic": "shared", "team": "red"}
    path = f"/threads/{thread['thread_id']}"
    assert bob.get(path).status_code == 200
    assert eve.get(path).status_code == 404
    run = bob.post(f"{path}/runs", json={"assistant_id": "whoami", "input": {}}).json()
    assert ada.get(f"{path}/runs/{run['run_id']}/join").json()["who"]["identity"] == "bob"
    assert eve.get(f"{path}/runs/{run['run_id']}").status_code == 404
    assert eve.get(f"/runs/{run['run_id']}/join").status_code == 404
    found = {
        one: client.post("/threads/count", json={"metadata": {"topic": "shared"}}).json()
        for one, client in (("bob", bob), ("eve", eve))
    }
    assert found == {"bob": 1, "eve": 0}
    assert eve.post("/runs/cancel", json={"status": "all"}).status_code == 404


def test_the_most_specific_handler_decides(guarded: ServerProcess) -> None:
    ada, bob = person(guarded, "ada"), person(guarded, "bob")
    thread = bob.post("/threads", json={}).json()["thread_id"]
    assert bob.delete(f"/threads/{thread}").status_code == 403
    assert ada.delete(f"/threads/{thread}").status_code == 204
    refused = ada.post("/assistants", json={"graph_id": "whoami"})
    assert refused.status_code == 403


def test_a_handler_of_the_store_says_where_items_stand(guarded: ServerProcess) -> None:
    ada, bob, eve = (person(guarded, name) for name in ("ada", "bob", "eve"))
    ada.put("/store/items", json={"namespace": ["plans"], "key": "a", "value": {"n": 1}}).raise_for_status()
    item = bob.get("/store/items", params={"namespace": "plans", "key": "a"}).json()
    assert item["namespace"] == ["red", "plans"]
    assert eve.get("/store/items", params={"namespace": "plans", "key": "a"}).json() is None
    assert eve.post("/store/items/search", json={"namespace_prefix": []}).json() == {"items": []}
    assert len(bob.post("/store/items/search", json={}).json()["items"]) == 1


def test_chat_keeps_the_projects_rules_too(guarded: ServerProcess) -> None:
    ada, bob, eve = (person(guarded, name) for name in ("ada", "bob", "eve"))
    thread = ada.post("/chat", json={"message": "hello"}).json()["thread_id"]
    assert bob.get(f"/threads/{thread}").json()["metadata"]["team"] == "red"
    assert eve.post("/chat", json={"message": "hello", "thread_id": thread}).status_code == 404


def test_without_rules_a_row_is_its_makers(named: ServerProcess) -> None:
    ada = Person(named, **{"x-name": "ada"})
    bob = Person(named, **{"x-name": "bob"})
    thread = ada.post("/threads", json={}).json()["thread_id"]
    assert ada.get(f"/threads/{thread}").status_code == 200
    assert bob.get(f"/threads/{thread}").status_code == 404
    assert bob.get("/threads/not-an-id").status_code == 422
    assert httpx.get(f"{named.url}/threads/{thread}").json() == {"detail": "Say your name"}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("./guarded_auth.py:PEOPLE", "names a dict; it must be a langgraph_sdk.Auth object"),
        ("./guarded_auth.py:missing", "has no `missing`"),
        ("./nowhere.py:auth", "there is no file"),
        (3, "must be a string"),
    ],
)
def test_a_wrong_auth_path_stops_the_start(tmp_path: Path, target: object, said: str) -> None:
    project = shutil.copytree(GUARDED, tmp_path / "project")
    config = {"graphs": {"whoami": "./guarded_graphs/whoami.py:graph"}, "auth": {"path": target}}
    (project / "langgraph.json").write_text(json.dumps(config))
    refused = run_to_end("--config", str(project / "langgraph.json"), "--data", str(tmp_path / "data"), "--port", "0")
    assert refused.returncode == 1
    assert said in refused.stderr
