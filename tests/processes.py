"""A real server in a process of its own, as its users start it: `python server.py`, a port, a data folder, signals."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
TRIAL_PROJECT = ROOT / "tests" / "projects" / "trial" / "langgraph.json"
LOOKALIKE_PROJECT = ROOT / "tests" / "projects" / "lookalike" / "langgraph.json"
START_SECONDS = 60.0

# Nothing of the machine that runs the tests may reach a server under test: no key, no model, no tracing.
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")


@dataclass
class ServerProcess:
    """One running server; `restart` starts another on the same data folder."""

    data_dir: Path
    config: Path = ROOT / "langgraph.json"
    environment: Mapping[str, str] = field(default_factory=dict)
    program: Path = ROOT / "server.py"
    arguments: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None
    exit_code: int | None = None
    url: str = ""
    banner: str = ""

    @property
    def log_file(self) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.log"

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def start(self) -> ServerProcess:
        """Returns once the server has told its address and is ready; raises with its log when it does not."""
        command = [sys.executable, str(self.program), "--port", "0", "--data", str(self.data_dir)]
        with self.log_file.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [*command, "--config", str(self.config), *self.arguments],
                cwd=ROOT,
                env=clean_environment(self.environment),
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._read_banner()
        return self

    def _read_banner(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.banner = ""
        deadline = time.monotonic() + START_SECONDS
        while (found := re.search(r"Address +(http://[^/\s]+)", self.banner)) is None:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            if not piece:
                self.kill()
                raise AssertionError(f"The server did not start (exit code {self.exit_code}):\n{self.log[-8000:]}")
            self.banner += piece.decode()
        self.url = found[1]

    def kill(self) -> None:
        """`kill -9`: the process gets no chance to do anything."""
        self.send(signal.SIGKILL)
        self.ended()

    def stop(self, *, seconds: float = 30.0) -> int:
        """SIGTERM; the exit code."""
        self.send(signal.SIGTERM)
        return self.ended(seconds=seconds)

    def restart(self) -> ServerProcess:
        return self.start()

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, *, seconds: float = 30.0) -> int:
        """Wait for the process to end by itself; the exit code."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.exit_code = self.process.wait(timeout=seconds)
        self.process.stdout.close()
        self.process = None
        return self.exit_code

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=100)


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """What a server under test gets: the offline model unless `extra` says otherwise, and nothing of this machine's."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "MODEL": "offline", "PYTHONUNBUFFERED": "1", **extra}


def run_to_end(
    *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """`python server.py ...` for what ends by itself: help, and starts that are refused."""
    return subprocess.run(
        [sys.executable, str(ROOT / "server.py"), *arguments],
        cwd=cwd,
        env=clean_environment(environment or {}),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


@contextmanager
def running_server(
    data_dir: Path,
    *,
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    program: Path = ROOT / "server.py",
) -> Iterator[ServerProcess]:
    server = ServerProcess(data_dir, config or program.parent / "langgraph.json", environment or {}, program, arguments)
    try:
        yield server.start()
    finally:
        if server.process is not None:
            server.kill()
