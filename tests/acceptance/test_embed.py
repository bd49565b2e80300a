"""`docs/embed.html` in a real browser: it streams, survives a reload in the middle, and asks only once."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, running_server

# Sends a message, reloads when the answer has begun, and tells what is there once it is whole.
DRIVER = """
<script type="module">
const tell = (outcome) => fetch("/outcome", { method: "POST", body: JSON.stringify(outcome) });
const until = async (condition) => { while (!condition()) await new Promise((go) => setTimeout(go, 20)); };
const last = () => document.querySelector("#log p:last-child")?.textContent ?? "";
if (!localStorage.getItem("reloaded")) {
  document.querySelector("#message").value = "My name is Ada.";
  document.querySelector("#form").requestSubmit();
  await until(() => last().startsWith("Noted:"));
  localStorage.setItem("reloaded", last());
  location.reload();
} else {
  await until(() => !document.querySelector("#message").disabled);
  const { user } = JSON.parse(localStorage.getItem("chat"));
  const lines = [...document.querySelectorAll("p")].map((line) => line.textContent);
  await tell({ user, early: localStorage.getItem("reloaded"), lines });
}
</script>
"""


@contextmanager
def page_server(outcomes: queue.Queue[dict[str, Any]]) -> Iterator[str]:
    page = (ROOT / "docs" / "embed.html").read_text(encoding="utf-8") + DRIVER

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(page.encode() if self.path.startswith("/?") else b"")

        def do_POST(self) -> None:
            outcomes.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()
        listening.server_close()


def test_the_page_survives_a_reload_in_the_middle_of_an_answer(data_dir: Path, tmp_path: Path) -> None:
    if shutil.which("chromium") is None:
        if os.environ.get("CI"):
            pytest.fail("chromium must be there in CI")
        pytest.skip("needs chromium")
    outcomes: queue.Queue[dict[str, Any]] = queue.Queue()
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    with running_server(data_dir, environment={"OFFLINE_TOKEN_DELAY": "0.5"}) as server, page_server(outcomes) as page:
        command = ["chromium", *options, f"--user-data-dir={tmp_path / 'browser'}", f"{page}/?api={server.url}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                outcome = outcomes.get(timeout=90)
            finally:
                browser.kill()
        with server.client() as client:
            [thread] = client.get(f"/users/{outcome['user']}/threads").json()
            runs = client.get(f"/threads/{thread['thread_id']}/runs").json()
    assert outcome["lines"] == ["My name is Ada.", "Noted: your name is Ada."]
    assert len(outcome["early"]) < len("Noted: your name is Ada.")
    assert [run["status"] for run in runs] == ["success"]
