"""`python server.py move`: a data folder goes to PostgreSQL whole, or says what is not the same."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.acceptance.talking import chat
from tests.processes import ROOT, clean_environment, run_to_end, running_server

MOVING_SECONDS = 60.0


def move(folder: Path, uri: str) -> subprocess.CompletedProcess[str]:
    return run_to_end("move", "--data", str(folder), environment={"DATABASE_URI": uri})


def fill(folder: Path, threads: int) -> list[str]:
    """Threads of two turns, an item and metadata too long for an index there; the server is stopped after it."""
    with running_server(folder) as server:
        with server.client() as http:
            ids = [chat(http, f"My name is Ada{number}.")["thread_id"] for number in range(threads)]
            for thread_id in ids:
                chat(http, "What is 2 + 3?", thread_id=thread_id)
            long = {"metadata": {"long": "x" * 5_000, "title": "the first"}}
            assert http.patch(f"/threads/{ids[0]}", json=long).is_success
            gone = chat(http, "Forget this.")["thread_id"]
            assert http.delete(f"/threads/{gone}").status_code == 204
            item = {"namespace": ["a", "b"], "key": "k", "value": {"v": [1, 2.5, "\u0000"]}}
            assert http.put("/store/items", json=item).status_code == 204
        assert server.stop() == 0
    return ids


def seen(http: httpx.Client, thread_id: str) -> list[Any]:
    """What a client sees of a thread."""
    history = http.get(f"/threads/{thread_id}/history?limit=100").json()
    runs = http.get(f"/threads/{thread_id}/runs").json()
    return [http.get(f"/threads/{thread_id}").json(), http.get(f"/threads/{thread_id}/state").json(), history, runs]


def everything(folder: Path, ids: list[str], **environment: str) -> list[Any]:
    with running_server(folder, environment=environment) as server, server.client() as http:
        item = http.get("/store/items", params={"namespace": "a.b", "key": "k"}).json()
        return [item, *(seen(http, thread_id) for thread_id in ids)]


def test_a_moved_folder_is_the_same_to_its_clients_and_its_threads_go_on(tmp_path: Path, postgres_uri: str) -> None:
    ids = fill(tmp_path / "data", 3)
    before = everything(tmp_path / "data", ids)
    moved = move(tmp_path / "data", postgres_uri)
    assert moved.returncode == 0, moved.stderr
    assert "runs: 6 rows, the same there" in moved.stdout
    assert "1 store items, the same there" in moved.stdout
    again = move(tmp_path / "data", postgres_uri)
    assert again.returncode == 0, again.stderr
    assert "moved before" in again.stdout
    assert everything(tmp_path / "other", ids, DATABASE_URI=postgres_uri) == before
    with (
        running_server(tmp_path / "other", environment={"DATABASE_URI": postgres_uri}) as server,
        server.client() as http,
    ):
        for number, thread_id in enumerate(ids):
            for _ in range(2):
                answer = chat(http, "What is my name?", thread_id=thread_id)["response"]
                assert answer == f"Your name is Ada{number}."
        found = http.post("/threads/search", json={"metadata": {"long": "x" * 5_000}}).json()
        assert [one["thread_id"] for one in found] == ids[:1]
    with psycopg.connect(postgres_uri) as connection:
        row = connection.execute("SELECT count(*), min(seq) FROM threadkeep.runs WHERE seq > 7").fetchone()
    assert row == (6, 8)  # the seventh place was the deleted run's
    changed = move(tmp_path / "data", postgres_uri)
    assert changed.returncode == 2
    assert "Not the same in the database: threads" in changed.stderr


OLDEST = "(SELECT checkpoint_id FROM checkpoints WHERE thread_id = %(id)s ORDER BY checkpoint_id LIMIT 1)"
TAMPERED = {
    "has other metadata": f"""UPDATE checkpoints SET metadata = metadata || '{{"step": 99}}'
                              WHERE thread_id = %(id)s AND checkpoint_id = {OLDEST}""",
    "has another parent": f"""UPDATE checkpoints SET parent_checkpoint_id = 'x'
                              WHERE thread_id = %(id)s AND checkpoint_id = {OLDEST}""",
    "is removed here or there only": f"""UPDATE checkpoints SET hidden = true
                                         WHERE thread_id = %(id)s AND checkpoint_id = {OLDEST}""",
    "is missing": f"DELETE FROM checkpoints WHERE thread_id = %(id)s AND checkpoint_id = {OLDEST}",
    "has another value of 'messages'": """UPDATE checkpoint_blobs SET blob = blob || '\\x00'
        WHERE thread_id = %(id)s AND (channel, version) = (SELECT channel, min(version) FROM checkpoint_blobs
            WHERE thread_id = %(id)s AND channel = 'messages' GROUP BY channel)""",
    "is not the same": f"""UPDATE checkpoint_writes SET blob = '\\x00'
        WHERE thread_id = %(id)s AND checkpoint_id = {OLDEST}""",
    "1 checkpoints are there that the folder has not": f"""
        INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, checkpoint)
        SELECT thread_id, checkpoint_ns, '0', '{{}}' FROM checkpoints
        WHERE thread_id = %(id)s AND checkpoint_id = {OLDEST}""",
}


def test_a_finished_move_run_again_compares_every_checkpoint_and_names_what_was_changed(
    tmp_path: Path, postgres_uri: str
) -> None:
    ids = fill(tmp_path / "data", len(TAMPERED))
    assert move(tmp_path / "data", postgres_uri).returncode == 0
    again = move(tmp_path / "data", postgres_uri)
    assert again.returncode == 0, again.stderr
    assert f"{len(ids)} threads were there, all the same there" in again.stdout
    with psycopg.connect(postgres_uri) as connection:
        for thread_id, change in zip(ids, TAMPERED.values(), strict=True):
            assert connection.execute(change.encode(), {"id": thread_id}).rowcount >= 1
        connection.execute("UPDATE store_item SET value = '{}'")
    changed = move(tmp_path / "data", postgres_uri)
    assert changed.returncode == 2
    named = changed.stderr.strip().split("; ")
    assert len(named) == len(ids) + 1, "each that was changed, and nothing else"
    for thread_id, how in zip(ids, TAMPERED, strict=True):
        assert any(f"thread {thread_id}: " in one and how in one for one in named), (how, changed.stderr)
    assert "the store's items" in named[-1]


def test_a_move_that_was_killed_in_the_middle_is_finished_by_the_next(tmp_path: Path, postgres_uri: str) -> None:
    ids = fill(tmp_path / "data", 12)
    before = everything(tmp_path / "data", ids)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "server.py"), "move", "--data", str(tmp_path / "data")],
        cwd=ROOT,
        env=clean_environment({"DATABASE_URI": postgres_uri}),
        stdout=subprocess.DEVNULL,
    )
    with psycopg.connect(postgres_uri) as connection:
        try:
            stop_after_a_thread(connection)
        finally:
            process.kill()
            process.wait()
    with psycopg.connect(postgres_uri) as connection:
        assert connection.execute("SELECT finished FROM threadkeep.moved_from").fetchone() == (False,)
    again = move(tmp_path / "data", postgres_uri)
    assert again.returncode == 0, again.stderr
    assert "0 threads were there" not in again.stdout
    assert everything(tmp_path / "other", ids, DATABASE_URI=postgres_uri) == before


def stop_after_a_thread(connection: psycopg.Connection[Any]) -> None:
    """Return while the move waits for a lock that this connection holds, with a thread there and others not."""
    deadline = time.monotonic() + MOVING_SECONDS
    while time.monotonic() < deadline:
        there = connection.execute("SELECT to_regclass('public.checkpoints')").fetchone() != (None,)
        if there and connection.execute("SELECT 1 FROM checkpoints LIMIT 1").fetchone() is not None:
            connection.execute("LOCK TABLE checkpoints IN SHARE MODE")
            return
        connection.rollback()
    raise AssertionError("the move did not come as far as a thread")


def test_a_database_that_is_in_use_or_none_is_refused(tmp_path: Path, postgres_uri: str) -> None:
    fill(tmp_path / "data", 1)
    with (
        running_server(tmp_path / "other", environment={"DATABASE_URI": postgres_uri}) as server,
        server.client() as http,
    ):
        chat(http, "My name is Ada.")
    refused = move(tmp_path / "data", postgres_uri)
    assert refused.returncode == 2
    assert "The database is not empty (threads" in refused.stderr
    unset = run_to_end("move", "--data", str(tmp_path / "data"))
    assert unset.returncode == 2
    assert "needs DATABASE_URI" in unset.stderr
