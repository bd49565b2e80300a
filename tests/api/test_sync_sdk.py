"""The sync client: every method of it once, against the same server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from tests.api.sdk import Sdk
from tests.api_requirements import requirement
from tests.processes import ServerProcess

ECHO: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def client(trial: ServerProcess) -> Iterator[SyncLangGraphClient]:
    with get_sync_client(url=trial.url, api_key=None) as opened:
        yield opened


@requirement("sync.assistants")
def test_assistants_through_the_sync_client(client: Sdk) -> None:
    made = client.assistants.create("echo", metadata={"sync": True}, name="Sync")
    key = made["assistant_id"]
    assert client.assistants.get(key)["name"] == "Sync"
    assert client.assistants.update(key, name="Other")["version"] == 2
    assert [one["version"] for one in client.assistants.get_versions(key)] == [2, 1]
    assert client.assistants.set_latest(key, 1)["name"] == "Sync"
    assert client.assistants.search(metadata={"sync": True})[0]["assistant_id"] == key
    assert client.assistants.count(metadata={"sync": True}) == 1
    nested = str(uuid5(UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8"), "nested"))
    assert client.assistants.get_graph(nested)["nodes"]
    assert client.assistants.get_schemas(nested)["graph_id"] == "nested"
    assert set(client.assistants.get_subgraphs(nested)) == {"sub"}
    client.assistants.delete(key)


@requirement("sync.threads")
def test_threads_through_the_sync_client(client: Sdk) -> None:
    mark = uuid4().hex
    key = client.threads.create(metadata={"mark": mark}, ttl=60)["thread_id"]
    client.runs.wait(key, "steps", input={"note": "x"})
    assert client.threads.get(key, include=["ttl"])["ttl"]["ttl"] == 60
    assert client.threads.update(key, metadata={"more": 1})["metadata"]["more"] == 1
    assert client.threads.search(metadata={"mark": mark})[0]["thread_id"] == key
    assert client.threads.count(metadata={"mark": mark}) == 1
    assert client.threads.get_state(key)["values"]["note"] == "x"
    history = client.threads.get_history(key)
    forked = client.threads.update_state(key, {"note": "y"}, checkpoint=history[1]["checkpoint"])
    at = client.threads.get_state(key, checkpoint=forked["checkpoint"])
    assert at["values"]["note"] == "y"
    client.threads.delete(key)
    assert client.threads.count(metadata={"mark": mark}) == 0


@requirement("sync.runs")
def test_runs_through_the_sync_client(client: Sdk) -> None:
    key = client.threads.create()["thread_id"]
    run = client.runs.create(key, "echo", input=ECHO)
    assert client.runs.join(key, run["run_id"])["messages"][-1]["content"] == "echo: hi"
    assert client.runs.get(key, run["run_id"])["status"] == "success"
    assert [one["run_id"] for one in client.runs.list(key)] == [run["run_id"]]
    events = [part.event for part in client.runs.stream(key, "echo", input=ECHO, stream_mode=["values", "updates"])]
    assert events == ["metadata", "values", "updates", "values", "end"]
    assert [part.event for part in client.runs.join_stream(key, run["run_id"])] == ["end"]
    assert client.runs.wait(None, "echo", input=ECHO)
    assert len(client.runs.create_batch([{"assistant_id": "echo", "input": ECHO}])) == 1
    long = client.runs.create(key, "slow", input={"steps": 1000, "seconds": 0.05})
    client.runs.cancel(key, long["run_id"], wait=True)
    assert client.runs.get(key, long["run_id"])["status"] == "interrupted"
    with pytest.raises(Exception, match="OnPurposeError: boom on purpose"):
        client.runs.wait(None, "failing", input={"how": "raise"})


@requirement("sync.store")
def test_the_store_through_the_sync_client(client: Sdk) -> None:
    namespace = ["sync", uuid4().hex]
    client.store.put_item(namespace, "k", {"v": 1})
    assert client.store.get_item(namespace, "k")["value"] == {"v": 1}
    assert [item["key"] for item in client.store.search_items(namespace)["items"]] == ["k"]
    assert client.store.list_namespaces(prefix=namespace)["namespaces"] == [namespace]
    client.store.delete_item(namespace, "k")
    assert client.store.get_item(namespace, "k") is None


@requirement("sync.crons")
def test_crons_through_the_sync_client(client: Sdk) -> None:
    mark = {"mark": uuid4().hex}
    thread = client.threads.create()["thread_id"]
    key = client.crons.create("echo", schedule="0 0 1 1 *", input=ECHO, metadata=mark)["cron_id"]
    bound = client.crons.create_for_thread(thread, "echo", schedule="0 0 1 1 *", input=ECHO, metadata=mark)
    assert (bound["thread_id"], bound["payload"]["input"]) == (thread, ECHO)
    assert client.crons.update(key, enabled=False)["next_run_date"] is None
    assert [one["cron_id"] for one in client.crons.search(metadata=mark, enabled=False)] == [key]
    assert client.crons.count(metadata=mark) == 2
    client.crons.delete(key)
    assert client.crons.count(metadata=mark) == 1
    client.threads.delete(thread)
    assert client.crons.count(metadata=mark) == 0
