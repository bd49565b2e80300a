"""One setting, and threads' states and the store are in PostgreSQL instead of the data folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.talking import chat
from tests.processes import ServerProcess, run_to_end, running_server


@pytest.fixture
def server(tmp_path: Path, postgres_uri: str) -> Iterator[ServerProcess]:
    with running_server(tmp_path / "data", environment={"DATABASE_URI": postgres_uri}) as one:
        yield one


def test_what_a_killed_server_had_stored_the_next_one_goes_on_from(server: ServerProcess) -> None:
    with server.client() as http:
        thread_id = chat(http, "My name is Ada.")["thread_id"]
        assert http.put("/store/items", json={"namespace": ["a"], "key": "k", "value": {"v": 1}}).status_code == 204
    server.kill()
    server.restart()
    with server.client() as http:
        assert chat(http, "What is my name?", thread_id=thread_id)["response"] == "Your name is Ada."
        item = http.get("/store/items", params={"namespace": "a", "key": "k"}).json()
        assert item["value"] == {"v": 1}
    assert not list(server.data_dir.glob("*.db"))


def test_threads_are_copied_pruned_and_deleted_there(server: ServerProcess, postgres_uri: str) -> None:
    with server.client() as http:
        thread_id = chat(http, "My name is Ada.")["thread_id"]
        copy = http.post(f"/threads/{thread_id}/copy").json()["thread_id"]
        assert chat(http, "What is my name?", thread_id=copy)["response"] == "Your name is Ada."
        assert http.post("/threads/prune", json={"thread_ids": [copy], "strategy": "keep_latest"}).is_success
        assert len(http.get(f"/threads/{copy}/history").json()) == 1
        assert len(http.get(f"/threads/{thread_id}/history").json()) > 1
        for one in (thread_id, copy):
            assert http.delete(f"/threads/{one}").status_code == 204
    with psycopg.connect(postgres_uri) as connection:
        for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_a_database_that_is_not_there_stops_the_start_with_the_reason(tmp_path: Path) -> None:
    refused = run_to_end(
        "--port", "0", "--data", str(tmp_path), environment={"DATABASE_URI": "postgresql://ada:secret@127.0.0.1:1/none"}
    )
    assert refused.returncode == 1
    assert "(DATABASE_URI) cannot be used" in refused.stderr
    assert "refused" in refused.stderr
    assert "secret" not in refused.stderr
