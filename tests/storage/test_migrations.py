"""A file that an older schema wrote is brought up to date, after a copy of it was made; a crash changes nothing."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tests.processes import TRIAL_PROJECT, running_server
from threadkeep.storage import migrations
from threadkeep.storage.migrations import migrate, migration_scripts

# What a server of schema 1 left behind: threads with runs that ended, ask, and wait; events; assistants; totals.
SCHEMA_1 = Path(__file__).parents[1] / "data" / "server_schema_1.sql"
ENDED, ASKING, WAITING = (f"00000000-0000-4000-8000-00000000000{number}" for number in range(3))


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "server.db"
    path.parent.mkdir(mode=0o700)
    connection = apsw.Connection(str(path))
    connection.execute(SCHEMA_1.read_text(encoding="utf-8"))
    connection.close()
    return path


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@pytest.mark.fault(32)
def test_a_server_takes_over_the_file_of_an_older_one_with_all_that_is_in_it(old_file: Path) -> None:
    with running_server(old_file.parent, config=TRIAL_PROJECT) as server, server.client() as http:
        assert http.get(f"/threads/{ENDED}").json()["metadata"]["number"] == 0
        assert http.post("/threads/search", json={"metadata": {"number": 1}}).json()[0]["thread_id"] == ASKING
        assert [run["status"] for run in http.get(f"/threads/{ENDED}/runs").json()] == ["success"]
        assert [run["status"] for run in http.get(f"/threads/{WAITING}/runs").json()] == ["pending"]
        found = http.post("/assistants/search", json={"name": "Second"}).json()
        assert (found[0]["version"], found[0]["context"]) == (2, {"tone": "loud"})
        body = {"assistant_id": "echo", "schedule": "0 0 1 1 *", "input": {"messages": "hello"}}
        assert http.post(f"/threads/{ENDED}/runs/crons", json=body).status_code == 200
        answer = http.post(f"/threads/{ENDED}/runs/wait", json={"assistant_id": "echo", "input": body["input"]})
        assert answer.json()["messages"][-1]["content"] == "echo: hello"
    copy = old_file.with_name("server.db.before-2")
    assert rows(copy, "PRAGMA user_version") == [(1,)]
    assert rows(copy, "SELECT count(*) FROM threads") == [(4,)]
    assert rows(copy, "SELECT name FROM sqlite_schema WHERE name = 'crons'") == []
    assert rows(old_file, "PRAGMA user_version") == [(len(migration_scripts()),)]


@pytest.mark.fault(32)
def test_a_step_that_fails_leaves_the_old_file_as_it_was(
    old_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "9999_broken.sql"
    broken.write_text("CREATE TABLE half (a); INSERT INTO nowhere VALUES (1);")
    monkeypatch.setattr(migrations, "migration_scripts", lambda: [*migration_scripts(), broken])
    connection = apsw.Connection(str(old_file))
    with pytest.raises(apsw.SQLError, match="nowhere"):
        migrate(connection, old_file)
    connection.close()
    assert rows(old_file, "PRAGMA user_version") == [(1,)]
    assert rows(old_file, "SELECT name FROM sqlite_schema WHERE name IN ('crons', 'half')") == []
    assert rows(old_file, "SELECT count(*) FROM threads") == [(4,)]
