"""What an operator does to a server whose threads are in PostgreSQL: keys, pruning, and what is not for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.acceptance.talking import chat
from tests.processes import run_to_end, running_server


def command(uri: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_to_end(*arguments, environment={"DATABASE_URI": uri})


def test_keys_are_made_listed_and_revoked_in_the_database_beside_its_server(tmp_path: Path, postgres_uri: str) -> None:
    made = command(postgres_uri, "keys", "new", "ada", "--note", "for a day", "--days", "1")
    assert made.returncode == 0, made.stderr
    key = made.stdout.split()[0]
    environment = {"DATABASE_URI": postgres_uri, "API_KEYS": "1"}
    with running_server(tmp_path / "data", environment=environment) as server:
        headers = {"x-api-key": key}
        assert httpx.post(f"{server.url}/threads", json={}, headers=headers).status_code == 200
        assert "ada  -  until" in command(postgres_uri, "keys", "list").stdout
        assert command(postgres_uri, "keys", "revoke", key.split("_")[1]).returncode == 0
        assert httpx.post(f"{server.url}/threads", json={}, headers=headers).status_code == 401
    assert command(postgres_uri, "keys", "revoke", "000000000000").returncode == 2
    with psycopg.connect(postgres_uri) as connection:
        stored = connection.execute("SELECT CAST(k AS text) FROM threadkeep.api_keys k").fetchall()
    assert len(stored) == 1
    assert key.split("_", 2)[2] not in str(stored)


def test_old_threads_are_pruned_with_their_checkpoints_at_the_next_start(tmp_path: Path, postgres_uri: str) -> None:
    with running_server(tmp_path / "data", environment={"DATABASE_URI": postgres_uri}) as server:
        with server.client() as http:
            thread_id = chat(http, "My name is Ada.")["thread_id"]
        assert "0 threads" in command(postgres_uri, "prune", "--older-than-days", "1").stdout
        assert "1 threads" in command(postgres_uri, "prune", "--older-than-days", "0").stdout
        assert "0 threads" in command(postgres_uri, "prune", "--older-than-days", "0").stdout
        server.stop()
        server.restart()
        with server.client() as http:
            assert http.get(f"/threads/{thread_id}").status_code == 404
    with psycopg.connect(postgres_uri) as connection:
        assert connection.execute("SELECT count(*) FROM checkpoints").fetchone() == (0,)


@pytest.mark.parametrize("words", [["check"], ["backup", "copy"], ["restore", "copy"], ["import"]])
def test_a_command_for_data_folders_is_refused_where_there_is_a_database(tmp_path: Path, words: list[str]) -> None:
    refused = command("postgresql://ada:secret@127.0.0.1:1/none", *words, "--data", str(tmp_path))
    assert refused.returncode == 2
    assert "is for a data folder" in refused.stderr
    assert "pg_dump" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_database_that_is_not_there_is_named_without_its_password() -> None:
    refused = command("postgresql://ada:secret@127.0.0.1:1/none", "keys", "list")
    assert refused.returncode == 2
    assert "postgresql://ada@127.0.0.1:1/none cannot be used" in refused.stderr
    assert "secret" not in refused.stderr


def doctor(uri: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    words = ("doctor", "--no-model", "--port", "0", "--data", str(tmp_path / "none"))
    return run_to_end(*words, environment={"DATABASE_URI": uri, **environment})


def test_the_doctor_looks_at_the_database_and_changes_nothing(tmp_path: Path, postgres_uri: str) -> None:
    found = doctor(postgres_uri, tmp_path, DATABASE_POOL_SIZE="1")
    assert found.returncode == 0, found.stdout
    assert "answers; schema 0 becomes" in found.stdout
    assert "data folder" not in found.stdout
    with psycopg.connect(postgres_uri) as connection:
        assert connection.execute("SELECT to_regnamespace('threadkeep')").fetchone() == (None,)
    few = doctor(postgres_uri, tmp_path, DATABASE_POOL_SIZE="5000")
    assert few.returncode == 1
    assert "Raise max_connections" in few.stdout
    command(postgres_uri, "keys", "list")  # makes the tables
    assert "becomes" not in doctor(postgres_uri, tmp_path).stdout


def test_the_doctor_says_that_a_database_does_not_answer(tmp_path: Path) -> None:
    found = doctor("postgresql://ada:secret@127.0.0.1:1/none", tmp_path)
    assert found.returncode == 1
    assert "does not answer" in found.stdout
    assert "secret" not in found.stdout
