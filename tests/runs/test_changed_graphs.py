"""Most restarts are deploys: threads outlive the graphs they were made with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import ROOT, ServerProcess

BEFORE = ROOT / "tests/projects/changed/before/langgraph.json"
AFTER = ROOT / "tests/projects/changed/after/langgraph.json"
GRAPHS = ("renamed", "dropped", "kept")


def started(http: httpx.Client, graph: str, **body: object) -> str:
    thread_id = http.post("/threads", json={}).json()["thread_id"]
    reply = http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": graph, "input": {}, **body})
    assert reply.status_code == 200, reply.text
    return str(thread_id)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, dict[str, str]]]:
    """Threads that wait before `second`, and one whose run is in the middle of it; then the server after the deploy."""
    data_dir = tmp_path_factory.mktemp("changed") / "data"
    server = ServerProcess(data_dir, BEFORE).start()
    with server.client() as http:
        threads = {graph: started(http, graph, interrupt_before=["second"]) for graph in GRAPHS}
        threads["in flight"] = started(http, "renamed", interrupt_before=["second"])
        http.post(
            f"/threads/{threads['in flight']}/runs",
            json={"assistant_id": "renamed", "input": {"pause": 60}},
        ).raise_for_status()
        while len(http.get(f"/threads/{threads['in flight']}/state").json()["values"]["visited"]) < 2:
            pass
    server.kill()
    server = ServerProcess(data_dir, AFTER)
    try:
        yield server.start(), threads
    finally:
        if server.process is not None:
            server.kill()


@pytest.mark.parametrize("graph", GRAPHS)
def test_every_thread_still_opens_lists_and_shows_its_history(
    deployed: tuple[ServerProcess, dict[str, str]], graph: str
) -> None:
    server, threads = deployed
    with server.client() as http:
        thread = http.get(f"/threads/{threads[graph]}").json()
        assert thread["status"] == "interrupted"
        assert thread["values"]["visited"] == ["first"]
        state = http.get(f"/threads/{threads[graph]}/state").json()
        assert state["values"]["visited"] == ["first"]
        assert len(http.get(f"/threads/{threads[graph]}/history").json()) == 3
        listed = http.post("/threads/search", json={"ids": [threads[graph]]})
        assert [row["thread_id"] for row in listed.json()] == [threads[graph]]


def test_going_on_past_a_node_that_is_gone_is_refused_with_the_repair(
    deployed: tuple[ServerProcess, dict[str, str]],
) -> None:
    server, threads = deployed
    thread_id = threads["renamed"]
    with server.client() as http:
        refused = http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "renamed", "input": None})
        assert refused.status_code == 409
        assert "'second'" in refused.json()["detail"]
        assert "as_node" in refused.json()["detail"]
        repaired = http.post(f"/threads/{thread_id}/state", json={"values": {}, "as_node": "first"})
        assert repaired.status_code == 200, repaired.text
        values = http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "renamed", "input": None}).json()
        assert values["visited"] == ["first", "second, after the deploy"]


def test_a_thread_of_a_graph_that_left_cannot_go_on_and_says_why(
    deployed: tuple[ServerProcess, dict[str, str]],
) -> None:
    server, threads = deployed
    with server.client() as http:
        refused = http.post(f"/threads/{threads['dropped']}/runs/wait", json={"assistant_id": "dropped", "input": None})
        assert refused.status_code == 409
        assert "'dropped'" in refused.json()["detail"]
        assert "no longer served" in refused.json()["detail"]
        refused = http.post(f"/threads/{threads['dropped']}/state", json={"values": {"visited": ["x"]}})
        assert refused.status_code == 409


def test_a_state_that_lost_and_gained_keys_goes_on(deployed: tuple[ServerProcess, dict[str, str]]) -> None:
    server, threads = deployed
    with server.client() as http:
        values = http.post(f"/threads/{threads['kept']}/runs/wait", json={"assistant_id": "kept", "input": None}).json()
    assert values == {"visited": ["first", "second, after the deploy"], "arrived": "yes"}


def test_a_run_in_flight_whose_node_is_gone_ends_as_an_error_with_that_reason(
    deployed: tuple[ServerProcess, dict[str, str]],
) -> None:
    server, threads = deployed
    thread_id = threads["in flight"]
    with server.client() as http:
        run = http.get(f"/threads/{thread_id}/runs").json()[0]
        joined = http.get(f"/threads/{thread_id}/runs/{run['run_id']}/join").json()
        assert joined["__error__"]["error"] == "GraphChangedError"
        assert "'second'" in joined["__error__"]["message"]
        assert http.get(f"/threads/{thread_id}").json()["status"] == "error"


@pytest.mark.fault(10)
def test_the_folder_is_only_opened_by_one_server(
    deployed: tuple[ServerProcess, dict[str, str]], tmp_path: Path
) -> None:
    server, _ = deployed
    second = ServerProcess(server.data_dir, AFTER)
    with pytest.raises(AssertionError, match="using the data folder"):
        second.start()
