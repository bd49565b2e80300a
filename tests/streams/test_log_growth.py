"""What a resumable thread's streams take on the disk grows with what was said, not with its square."""

from __future__ import annotations

from pathlib import Path

import apsw

from tests.processes import TRIAL_PROJECT, running_server

TURNS = 150
TEXT = "x" * 500


def test_the_log_of_a_long_thread_stays_under_ten_times_its_text(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", config=TRIAL_PROJECT) as server, server.client() as http:
        thread_id = http.post("/threads", json={}).json()["thread_id"]
        for _ in range(TURNS):
            given = {"messages": [{"role": "user", "content": TEXT}]}
            body = {"assistant_id": "echo", "input": given, "stream_mode": ["values"], "stream_resumable": True}
            run = http.post(f"/threads/{thread_id}/runs", json=body).json()
            http.get(f"/threads/{thread_id}/runs/{run['run_id']}/join").raise_for_status()
        replayed = http.get(f"/threads/{thread_id}/runs/{run['run_id']}/stream", headers={"last-event-id": "-1"}).text
        assert replayed.count("echo: ") >= TURNS, "a stored frame is rebuilt with all its messages"
        reading = apsw.Connection(str(server.data_dir / "server.db"), flags=apsw.SQLITE_OPEN_READONLY)
        [(stored,)] = reading.execute("SELECT sum(length(data) + length(name) + 60) FROM events")
        reading.close()
    assert stored < 10 * 2 * len(TEXT) * TURNS
