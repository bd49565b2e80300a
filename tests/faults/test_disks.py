"""Disks and files that fail, on real processes: the catalogue's rows 10 to 15 and 32."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import apsw
import httpx
import pytest

from tests.processes import ROOT, TRIAL_PROJECT, ServerProcess, run_to_end, running_server
from threadkeep.commands import NAMES, _parser

FAULTY = Path(__file__).parent / "faulty_server.py"


@pytest.fixture
def switch(tmp_path: Path) -> Path:
    return tmp_path / "fault"


@pytest.fixture
def server(tmp_path: Path, switch: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path / "data", TRIAL_PROJECT, {"FAULT": str(switch)}, FAULTY)
    try:
        yield process.start()
    finally:
        if process.process is not None:
            process.kill()


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, what


def echo(http: httpx.Client, thread_id: str) -> httpx.Response:
    given = {"messages": [{"role": "user", "content": "hello"}]}
    return http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": given})


@pytest.mark.fault(11)
@pytest.mark.parametrize(("fault", "status"), [("full", 507), ("broken", 503)])
def test_a_failing_disk_refuses_runs_serves_reads_and_is_used_again_when_it_is_well(
    server: ServerProcess, switch: Path, fault: str, status: int, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    with server.client() as http:
        thread_id, other = [http.post("/threads", json={}).json()["thread_id"] for _ in range(2)]
        assert echo(http, thread_id).status_code == 200
        given = {"steps": 3, "seconds": 0.5, "journal": str(journal)}
        run = http.post(f"/threads/{other}/runs", json={"assistant_id": "slow", "input": given}).json()
        until(journal.exists, "the run did not begin")
        switch.write_text(fault)
        refused = echo(http, thread_id)
        assert refused.status_code == status, refused.text
        assert int(refused.headers["retry-after"]) >= 1
        assert http.get(f"/threads/{thread_id}/state").json()["values"]["messages"][-1]["content"] == "echo: hello"
        ready = http.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["reasons"]
        assert http.get("/health").status_code == 200
        switch.write_text("")
        assert http.get("/ready").status_code == 200
        assert echo(http, thread_id).status_code == 200
        http.get(f"/threads/{other}/runs/{run['run_id']}/join").raise_for_status()
        ended = http.get(f"/threads/{other}/runs/{run['run_id']}").json()["status"]
        assert ended in ("success", "error")
        assert http.get(f"/threads/{other}").json()["status"] != "busy"


@pytest.mark.fault(12)
def test_a_file_locked_by_another_process_is_waited_for_and_then_said(server: ServerProcess) -> None:
    other = apsw.Connection(str(server.data_dir / "server.db"))
    with server.client() as http:
        other.execute("BEGIN IMMEDIATE")
        refused = http.post("/threads", json={})
        assert refused.status_code == 503
        assert "locked" in refused.json()["detail"]
        assert "retry-after" in refused.headers
        other.execute("ROLLBACK")
        assert http.post("/threads", json={}).status_code == 200
    other.close()


@pytest.mark.fault(13)
@pytest.mark.parametrize("damage", [b"not a database at all, but long enough to be read as one" * 200, b""])
def test_a_damaged_file_stops_the_start_with_its_path_and_is_left_alone(
    server: ServerProcess, damage: bytes, tmp_path: Path
) -> None:
    server.stop()
    path = server.data_dir / "server.db"
    content = damage or path.read_bytes()[:100] + os.urandom(8_000)
    path.write_bytes(content)
    for name in ("server.db-wal", "server.db-shm"):
        (server.data_dir / name).unlink(missing_ok=True)
    with pytest.raises(AssertionError, match="restore it from a backup"):
        ServerProcess(server.data_dir, TRIAL_PROJECT).start()
    assert path.read_bytes() == content
    checked = run_to_end("check", "--data", str(server.data_dir))
    assert checked.returncode == 1
    assert "server.db: DAMAGED" in checked.stdout


@pytest.mark.fault(14)
def test_a_file_deleted_under_the_server_makes_it_unready(server: ServerProcess) -> None:
    (server.data_dir / "server.db").unlink()
    with server.client() as http:
        ready = http.get("/ready")
    assert ready.status_code == 503
    assert "removed or replaced" in ready.json()["reasons"][0]


@pytest.mark.fault(15)
def test_a_data_folder_that_cannot_be_written_stops_the_start_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused = run_to_end("--data", str(tmp_path / "file" / "data"), "--port", "0")
    assert refused.returncode != 0
    assert "data folder" in refused.stderr


@pytest.mark.fault(32)
def test_a_newer_file_is_refused_and_not_touched(server: ServerProcess) -> None:
    server.stop()
    path = server.data_dir / "server.db"
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 9_999)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(AssertionError, match="newer Threadkeep"):
        ServerProcess(server.data_dir, TRIAL_PROJECT).start()
    assert path.read_bytes() == before


def test_a_backup_made_beside_a_running_server_is_restored_with_its_threads(
    server: ServerProcess, tmp_path: Path
) -> None:
    with server.client() as http:
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        assert echo(http, thread_id).status_code == 200
        made = run_to_end("backup", str(tmp_path / "backup"), "--data", str(server.data_dir))
        assert made.returncode == 0, made.stderr
        http.delete(f"/threads/{thread_id}").raise_for_status()
    assert run_to_end("check", "--data", str(server.data_dir)).returncode == 0
    in_use = run_to_end("restore", str(tmp_path / "backup"), "--data", str(server.data_dir))
    assert in_use.returncode == 2
    assert "using the data folder" in in_use.stderr
    server.stop()
    restored = run_to_end("restore", str(tmp_path / "backup"), "--data", str(server.data_dir))
    assert restored.returncode == 0, restored.stderr
    assert server.data_dir.with_name("data.before-restore").is_dir()
    server.restart()
    with server.client() as http:
        state = http.get(f"/threads/{thread_id}/state").json()
    assert state["values"]["messages"][-1]["content"] == "echo: hello"


def test_pruning_takes_old_threads_and_leaves_the_rest(server: ServerProcess) -> None:
    with server.client() as http:
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        assert echo(http, thread_id).status_code == 200
    server.stop()
    kept = run_to_end("prune", "--older-than-days", "1", "--data", str(server.data_dir))
    assert kept.stdout.startswith("0 threads")
    gone = run_to_end("prune", "--older-than-days", "0", "--data", str(server.data_dir))
    assert gone.stdout.startswith("1 threads")
    server.restart()
    with server.client() as http:
        assert http.get(f"/threads/{thread_id}").status_code == 404


def test_every_command_tells_how_it_is_used() -> None:
    told = run_to_end("check", "--help", cwd=ROOT)
    assert told.returncode == 0
    assert "--data" in told.stdout
    for command in NAMES:
        with pytest.raises(SystemExit, match="0"), redirect_stdout(StringIO()) as words:
            _parser().parse_args([command, "--help"])
        assert "usage: python server.py " + command in words.getvalue()
    assert run_to_end("check", "--data", "/nonexistent").returncode == 2


def test_a_page_damaged_in_a_crash_is_found_in_the_background_and_said(server: ServerProcess) -> None:
    with server.client() as http:
        for _ in range(30):
            assert http.post("/threads", json={"metadata": {"filler": "x" * 3_000}}).status_code == 200
    server.stop()
    path = server.data_dir / "server.db"
    content = bytearray(path.read_bytes())
    content[-4096 * 3 : -4096 * 2] = os.urandom(4096)
    path.write_bytes(content)
    (server.data_dir / "server.lock").write_text("12345\n")  # as a killed process leaves it
    server.restart()
    with server.client() as http:
        until(lambda: http.get("/ready").status_code == 503, "the damage was not found")
        assert "damaged" in http.get("/ready").json()["reasons"][0]


def test_a_backup_inside_the_data_folder_is_not_restored_from_there(data_dir: Path) -> None:
    with running_server(data_dir, config=TRIAL_PROJECT) as server:
        made = run_to_end("backup", str(data_dir / "backups" / "one"), "--data", str(data_dir))
        assert made.returncode == 0, made.stderr
        assert server.stop() == 0
    refused = run_to_end("restore", str(data_dir / "backups" / "one"), "--data", str(data_dir))
    assert refused.returncode == 2
    assert "move the backup out of it first" in refused.stderr
    assert (data_dir / "server.db").is_file()
