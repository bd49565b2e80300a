"""API keys: made, listed, revoked, expired; what their scopes allow, and what belongs to their owners."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_client

from tests.auth.conftest import GUARDED, People, new_key
from tests.processes import ROOT, run_to_end, running_server

RUN = {"assistant_id": "whoami", "input": {"note": "first"}}


def whoami(client: httpx.Client, **body: object) -> dict[str, object]:
    answer = client.post("/runs/wait", json={**RUN, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()["who"]
    return found


def test_a_key_is_taken_from_either_header_and_nothing_like_it_is(people: People) -> None:
    key = people.keys["ada"]
    url = people.server.url
    for headers in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}):
        assert httpx.get(f"{url}/threads/{uuid4()}", headers=headers).status_code == 404
    changed = key[:-1] + ("A" if key[-1] != "A" else "B")
    for wrong in (changed, key[:-2], "tk_000000000000_" + "x" * 43, "", "Bearer", "ada@example.org"):
        refused = httpx.get(f"{url}/threads/{uuid4()}", headers={"x-api-key": wrong})
        assert refused.status_code == 401, wrong
        assert len(wrong) < 20 or wrong not in refused.text
    assert httpx.get(f"{url}/threads/{uuid4()}", params={"x-api-key": key}).status_code == 401


def test_a_revoked_key_is_refused_at_once_beside_the_running_server_and_listed_as_such(people: People) -> None:
    data = people.server.data_dir
    key = new_key(data, "carl", "--note", "for a day", "--days", "1")
    headers = {"x-api-key": key}
    assert httpx.post(f"{people.server.url}/threads", json={}, headers=headers).status_code == 200
    key_id = key.split("_")[1]
    assert run_to_end("keys", "revoke", key_id, "--data", str(data)).returncode == 0
    refused = httpx.post(f"{people.server.url}/threads", json={}, headers=headers)
    assert (refused.status_code, refused.json()) == (401, {"detail": "This API key was revoked."})
    listed = run_to_end("keys", "list", "--data", str(data)).stdout
    assert f"{key_id}  carl" in listed
    assert "for a day" in listed
    assert key.split("_", 2)[2] not in listed
    unknown = run_to_end("keys", "revoke", "000000000000", "--data", str(data))
    assert unknown.returncode == 2
    assert "There is no key" in unknown.stderr
    assert key.split("_", 2)[2].encode() not in (data / "server.db").read_bytes()


def test_a_key_is_all_that_is_printed_and_is_stored_whether_or_not_anybody_reads_it(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "server.py"), "keys", "new", "ada", "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as unread:
        assert unread.stdout is not None
        unread.stdout.close()  # as a `| head -0` does
        unread.wait(60)
    made = run_to_end("keys", "new", "bob", "--data", str(tmp_path / "data"))
    key = made.stdout.strip()
    assert re.fullmatch(r"tk_[0-9a-f]{12}_\S{43}", key)
    assert "Shown once" in made.stderr
    listed = run_to_end("keys", "list", "--data", str(tmp_path / "data")).stdout
    assert sorted(line.split()[1] for line in listed.splitlines()) == ["ada", "bob"]


def test_a_key_that_only_reads_changes_nothing(people: People) -> None:
    thread = people.ada.post("/threads", json={}).json()["thread_id"]
    assert people.reader.get(f"/threads/{thread}").status_code == 200
    assert people.reader.post("/threads/search", json={}).status_code == 200
    for method, path in (("POST", "/threads"), ("DELETE", f"/threads/{thread}"), ("POST", f"/threads/{thread}/runs")):
        refused = people.reader.request(method, path, json=RUN)
        assert refused.status_code == 403, (method, path)
        assert "may only read" in refused.json()["detail"]
    chat = people.reader.post("/chat", json={"message": "hello", "graph": "whoami"})
    assert chat.status_code == 403


def test_an_operators_key_sees_everything_and_the_servers_figures(people: People) -> None:
    thread = people.bob.post("/threads", json={"metadata": {"mark": "operators"}}).json()["thread_id"]
    assert people.boss.get(f"/threads/{thread}").status_code == 200
    assert people.boss.post("/threads/count", json={"metadata": {"mark": "operators"}}).json() == 1
    assert people.boss.get("/metrics").status_code == 200
    assert people.ada.get("/metrics").status_code == 403


def test_the_graph_is_told_who_asks_and_nobody_can_pretend_to_be_another(people: People) -> None:
    expected = {
        "identity": "ada@example.org",
        "permissions": [],
        "auth_user_id": "ada@example.org",
        "user_id": "ada@example.org",
    }
    assert whoami(people.ada) == expected
    forged = {"langgraph_auth_user_id": "bob", "langgraph_auth_user": {"identity": "bob"}, "user_id": "bob"}
    assert whoami(people.ada, config={"configurable": forged}) == expected
    assert whoami(people.ada, context=forged) == expected
    assert whoami(people.ada, metadata={"owner": "bob", "user_id": "bob"}) == expected


def test_each_owner_has_a_store_of_their_own_for_graphs_and_over_http(people: People) -> None:
    for client, note in ((people.ada, "adas note"), (people.bob, "bobs note")):
        client.post("/runs/wait", json={"assistant_id": "whoami", "input": {"note": note}}).raise_for_status()
    seen = people.bob.post("/store/items/search", json={"namespace_prefix": ["notes"]}).json()["items"]
    keys = {item["key"] for item in seen}
    assert "bobs note" in keys
    assert "adas note" not in keys
    assert {tuple(item["namespace"]) for item in seen} == {("notes",)}
    assert people.bob.get("/store/items", params={"namespace": "notes", "key": "adas note"}).json() is None
    assert people.bob.post("/store/namespaces", json={"max_depth": 1}).json() == {"namespaces": [["notes"]]}
    item = people.bob.get("/store/items", params={"namespace": "notes", "key": "bobs note"}).json()
    assert item["value"] == {"text": "bobs note"}
    everyones = people.boss.post("/store/items/search", json={"namespace_prefix": ["~owner"], "limit": 100}).json()
    assert {"adas note", "bobs note"} <= {item["key"] for item in everyones["items"]}


def test_everybodys_assistants_may_be_used_and_not_changed(people: People) -> None:
    [system] = people.ada.post("/assistants/search", json={"metadata": {"created_by": "system"}}).json()
    refused = people.ada.patch(f"/assistants/{system['assistant_id']}", json={"name": "mine"})
    assert refused.status_code == 403
    assert "make one of your own" in refused.json()["detail"]


def test_a_key_gives_its_run_to_its_owner_alone(people: People) -> None:
    headers = {"idempotency-key": "the same for both"}
    kept = {**RUN, "on_completion": "keep"}  # a run that is forgotten at its end takes its key with it
    runs = [client.post("/runs", json=kept, headers=headers).json()["run_id"] for client in (people.ada, people.bob)]
    assert runs[0] != runs[1]
    assert people.ada.post("/runs", json=kept, headers=headers).json()["run_id"] == runs[0]


def test_chat_is_with_the_keys_owner_unless_it_may_act_for_others(people: People) -> None:
    hello = {"message": "hello", "graph": "whoami"}
    mine = people.ada.post("/chat", json=hello).json()
    assert mine["user_id"] == "ada@example.org"
    pretended = people.ada.post("/chat", json={**hello, "user_id": "bob"})
    assert pretended.status_code == 403
    assert "act_for" in pretended.json()["detail"]
    user = f"customer {uuid4()}"
    first = people.agent.post("/chat", json={**hello, "user_id": user}).json()
    again = people.agent.post("/chat", json={**hello, "user_id": user}).json()
    assert first["thread_id"] == again["thread_id"]
    listed = people.agent.get(f"/users/{user}/threads").json()
    assert [thread["thread_id"] for thread in listed] == [first["thread_id"]]
    assert people.agent.get(f"/threads/{first['thread_id']}").status_code == 404
    named = {"x-act-for": user.replace(" ", "%20")}
    assert people.agent.get(f"/threads/{first['thread_id']}", headers=named).status_code == 200
    assert people.ada.get(f"/threads/{first['thread_id']}", headers=named).status_code == 403


def test_erasing_a_user_takes_all_that_is_theirs_and_says_what_is_left(people: People) -> None:
    user = f"leaver {uuid4()}"
    headers = {"x-act-for": user.replace(" ", "%20")}
    chat = people.agent.post("/chat", json={"message": "hello", "graph": "whoami", "user_id": user}).json()
    people.agent.post("/runs/wait", json={"assistant_id": "whoami", "input": {"note": "theirs"}}, headers=headers)
    sdks = people.agent.post("/threads", json={}, headers=headers).json()["thread_id"]
    other = people.bob.post("/threads", json={}).json()["thread_id"]
    erased = people.agent.delete(f"/users/{user}").json()
    assert erased["erased"]["threads"] >= 2
    assert erased["erased"]["store_items"] == 1
    assert "Backups" in erased["note"]
    for thread in (chat["thread_id"], sdks):
        assert people.boss.get(f"/threads/{thread}").status_code == 404
    assert people.boss.get(f"/threads/{other}").status_code == 200
    again = people.agent.delete(f"/users/{user}").json()["erased"]
    assert again == {"threads": 0, "crons": 0, "assistants": 0, "store_items": 0}


async def test_the_sdk_sends_its_key_by_itself(people: People) -> None:
    async with get_client(url=people.server.url, api_key=people.keys["ada"]) as client:
        thread = await client.threads.create()
        values = await client.runs.wait(thread["thread_id"], "whoami", input={"note": "by sdk"})
        assert values["who"]["identity"] == "ada@example.org"  # type: ignore[index]


def test_a_run_under_way_is_still_its_owners_after_a_restart(tmp_path: Path) -> None:
    key = new_key(tmp_path, "ada")
    headers = {"x-api-key": key}
    with running_server(tmp_path, config=GUARDED / "langgraph.json", environment={"API_KEYS": "1"}) as server:
        later = {**RUN, "after_seconds": 1}
        run = httpx.post(f"{server.url}/runs", json={**later, "on_completion": "keep"}, headers=headers).json()
        server.kill()
        server.restart()
        path = f"/threads/{run['thread_id']}/runs/{run['run_id']}/join"
        values = httpx.get(server.url + path, headers=headers, timeout=30).json()
        assert values["who"]["identity"] == "ada"
        assert httpx.get(server.url + path).status_code == 401


@pytest.mark.parametrize("given", [{}, {"API_KEYS": "1"}, {"ALLOW_UNAUTHENTICATED": "1"}])
def test_a_server_listens_to_the_world_only_when_somebody_says_who_may(tmp_path: Path, given: dict[str, str]) -> None:
    arguments = (
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        "--data",
        str(tmp_path),
        "--config",
        str(GUARDED / "langgraph.json"),
    )
    if not given:
        refused = run_to_end(*arguments)
        assert refused.returncode == 1
        assert "API_KEYS=1" in refused.stderr
        return
    with running_server(
        tmp_path, config=GUARDED / "langgraph.json", environment=given, arguments=("--host", "0.0.0.0")
    ) as server:
        assert httpx.get(f"{server.url}/ok").status_code == 200
