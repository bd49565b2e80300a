"""The database goes away, and comes back: nothing that was accepted is lost, and who asks meanwhile is told to wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.cluster.conftest import LEASE_SECONDS
from tests.cluster.test_sharing import get, start, until
from tests.postgres import server_uri
from tests.processes import TRIAL_PROJECT, ServerProcess
from tests.runs.scenarios import whole_stream

STEPS = 60


@pytest.fixture
def server(tmp_path: Path, postgres_uri: str) -> Iterator[ServerProcess]:
    environment = {"DATABASE_URI": postgres_uri, "LEASE_SECONDS": str(LEASE_SECONDS)}
    process = ServerProcess(tmp_path / "data", TRIAL_PROJECT, environment)
    try:
        yield process.start()
    finally:
        if process.process is not None:
            process.kill()


def cut(connection: psycopg.Connection[tuple[object, ...]], database: str) -> int:
    """End every connection to the database, as its restart does; how many there were."""
    ended = connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid != pg_backend_pid()",
        (database,),
    )
    return len(ended.fetchall())


@contextmanager
def closed(connection: psycopg.Connection[tuple[object, ...]], database: str) -> Iterator[None]:
    """Nobody can connect to the database while the block lasts, and nobody is."""
    name = sql.Identifier(database)
    connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
    cut(connection, database)
    try:
        yield
    finally:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


def begun(journal: Path, lines: int) -> bool:
    return journal.exists() and len(journal.read_text().split()) >= lines


def under_way(server: ServerProcess, tmp_path: Path) -> tuple[Path, str, str]:
    """A run that has taken its first steps: (its journal, thread id, run id)."""
    journal = tmp_path / "journal"
    given = {"steps": STEPS, "seconds": 0.05, "journal": str(journal)}
    thread_id, run_id = start(server, "slow", given, stream_mode=["updates"])
    until(lambda: begun(journal, 3), "the run has begun")
    return journal, thread_id, run_id


def test_a_run_goes_on_through_connections_that_are_cut(
    server: ServerProcess, postgres_uri: str, tmp_path: Path
) -> None:
    journal, thread_id, run_id = under_way(server, tmp_path)
    database = urlsplit(postgres_uri).path[1:]
    with psycopg.connect(server_uri(), autocommit=True) as connection:
        for lines in (5, 15, 25):
            until(lambda lines=lines: begun(journal, lines), "the run goes on")  # type: ignore[misc]
            assert cut(connection, database) > 0
    with server.client() as http:
        assert http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()["done"] == list(range(STEPS))
        whole_stream(http, f"/threads/{thread_id}/runs/{run_id}/stream")


def test_while_the_database_is_away_requests_are_told_to_wait_and_afterwards_all_is_done(
    server: ServerProcess, postgres_uri: str, tmp_path: Path
) -> None:
    _, thread_id, run_id = under_way(server, tmp_path)
    with psycopg.connect(server_uri(), autocommit=True) as connection:
        with closed(connection, urlsplit(postgres_uri).path[1:]), server.client() as http:
            refused = http.post("/threads", json={})
            assert refused.status_code == 503, refused.text
            assert int(refused.headers["retry-after"]) >= 1
            assert http.get("/ready").status_code == 503
            assert http.get("/health").status_code == 200
        until(lambda: httpx.get(f"{server.url}/ready").status_code == 200, "the server is ready again", seconds=60)
    with server.client() as http:
        until(lambda: get(server, f"/threads/{thread_id}")["status"] == "idle", "the run has ended", seconds=60)
        assert http.get(f"/threads/{thread_id}").json()["values"]["done"] == list(range(STEPS))
        whole_stream(http, f"/threads/{thread_id}/runs/{run_id}/stream")


def test_a_slow_database_makes_requests_wait_and_takes_no_run_away(
    server: ServerProcess, postgres_uri: str, tmp_path: Path
) -> None:
    journal, thread_id, run_id = under_way(server, tmp_path)
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(httpx.post(f"{server.url}/threads", json={}, timeout=60)))
    with psycopg.connect(postgres_uri) as connection:
        connection.execute("LOCK TABLE threadkeep.threads IN ACCESS EXCLUSIVE MODE")
        asking.start()
        # For longer than a lease: what only waits for its turn is not taken for dead.
        until(lambda: begun(journal, 3 + int(2 * LEASE_SECONDS / 0.05)), "the run goes on meanwhile")
        assert not answers
        connection.rollback()
    asking.join(30)
    assert [answer.status_code for answer in answers] == [200]
    with server.client() as http:
        assert http.get(f"/threads/{thread_id}/runs/{run_id}/join").json()["done"] == list(range(STEPS))
    assert journal.read_text().split() == [str(number) for number in range(STEPS)]


def test_a_database_with_few_connections_serves_more_clients_than_it_has(tmp_path: Path, postgres_uri: str) -> None:
    role = f"few_{uuid4().hex[:8]}"
    database = urlsplit(postgres_uri)
    with psycopg.connect(server_uri(), autocommit=True) as connection:
        name = sql.Identifier(role)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'few' CONNECTION LIMIT 8").format(name))
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database.path[1:]), name))
        with psycopg.connect(postgres_uri, autocommit=True) as inside:
            inside.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(name))
        uri = database._replace(netloc=f"{role}:few@{database.hostname}:{database.port}").geturl()
        environment = {"DATABASE_URI": uri, "DATABASE_POOL_SIZE": "2"}
        server = ServerProcess(tmp_path / "data", TRIAL_PROJECT, environment)
        try:
            server.start()
            started = [start(server, "echo", {"messages": f"hello {number}"}) for number in range(20)]
            for thread_id, run_id in started:
                with server.client() as http:
                    joined = http.get(f"/threads/{thread_id}/runs/{run_id}/join")
                    assert len(joined.json()["messages"]) == 2
        finally:
            if server.process is not None:
                server.kill()
            cut(connection, database.path[1:])
            connection.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(database.path[1:]))
            )
            with psycopg.connect(postgres_uri, autocommit=True) as inside:
                inside.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(name))
                inside.execute(sql.SQL("DROP OWNED BY {}").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(name))
