"""`python server.py doctor`, as an operator meets it: what is well, what is not, and what to do about it."""

from __future__ import annotations

import io
import socket
import subprocess
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage

from tests.model_server.server import model_server
from tests.processes import LOOKALIKE_PROJECT, ServerProcess, run_to_end
from threadkeep.progress import Progress


def doctor(data: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_to_end("doctor", "--data", str(data), *more, environment=environment)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])


def test_before_the_first_start_all_is_well_and_nothing_is_made(data_dir: Path) -> None:
    found = doctor(data_dir, "--port", free_port())
    assert found.returncode == 0, found.stdout
    for words in (
        "react, plan_execute, tree_of_thought",
        "offline answers",
        "it calls tools",
        "will be made",
        "is free",
    ):
        assert words in found.stdout
    assert found.stdout.rstrip().endswith("All is well.")
    assert not data_dir.exists()


def test_beside_a_running_server_it_looks_at_that_one(lookalike: ServerProcess) -> None:
    port = lookalike.url.rpartition(":")[2]
    found = doctor(lookalike.data_dir, "--port", port, "--config", str(LOOKALIKE_PROJECT))
    assert found.returncode == 0, found.stdout
    assert f"runs on {lookalike.url}, and is ready" in found.stdout
    assert "moody, origins" in found.stdout
    assert "server.db     sound" in found.stdout
    assert "offline" not in found.stdout


def test_each_problem_comes_with_what_to_do_and_the_code_is_1(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o755)
    (data_dir / "server.db").write_bytes(b"SQLite format 3\x00" + b"no database at all" * 500)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        address = "http://ada:xyzzy-plugh@127.0.0.1:9/v1"
        found = doctor(data_dir, "--port", port, MODEL="openai:some-model", OPENAI_BASE_URL=address)
    assert found.returncode == 1
    for words, remedy in (
        ("openai:some-model does not answer", "Check MODEL, OPENAI_BASE_URL and the key"),
        (f"{data_dir} can be read by others", f"chmod -R go-rwx {data_dir}"),
        ("is damaged", "restore a backup"),
        (f"127.0.0.1:{port} cannot be used", "choose another port"),
    ):
        assert words in found.stdout
        assert remedy in found.stdout
    assert found.stdout.rstrip().endswith("4 problems.")
    assert "xyzzy" not in found.stdout + found.stderr


def test_a_model_that_answers_but_calls_no_tool_is_a_problem(data_dir: Path) -> None:
    def talker(*_: object) -> AIMessage:
        return AIMessage("It is 409.5, I think.")

    with model_server(talker) as model:
        found = doctor(data_dir, "--port", free_port(), MODEL="openai:talker", OPENAI_BASE_URL=model.base_url)
    assert found.returncode == 1
    assert "openai:talker answers" in found.stdout
    assert "Take a model that calls tools" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("--no-model",), {"PORT": "many"}, "PORT must be a number"),
        (("--no-model", "--host", "0.0.0.0"), {}, "Refusing to listen on 0.0.0.0"),
        (("--no-model", "--config", "nowhere.json"), {}, "nowhere.json"),
        (("--no-model",), {"MODEL_PRICES": "{"}, "MODEL_PRICES must be JSON"),
    ],
)
def test_a_configuration_that_would_not_start_is_told_in_the_words_of_the_start(
    data_dir: Path, arguments: tuple[str, ...], environment: dict[str, str], words: str
) -> None:
    found = doctor(data_dir, *arguments, **environment)
    assert found.returncode == 1
    assert "PROBLEM" in found.stdout
    assert words in found.stdout


@pytest.mark.parametrize("command", ["doctor", "check", "backup", "restore", "prune", "import", "reindex"])
def test_every_command_explains_itself_and_its_exit_codes(command: str) -> None:
    helped = run_to_end(command, "--help")
    assert helped.returncode == 0
    assert "--data FOLDER" in helped.stdout
    assert "Exit code: 0 done" in helped.stdout


def test_long_work_shows_its_progress_on_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("threadkeep.progress._PAUSE_SECONDS", 0)
    for stream, shown in ((Terminal(), "\r\x1b[KCopying server.db ... 42 %\r\x1b[K"), (io.StringIO(), "")):
        with Progress("Copying server.db", stream) as progress:
            progress.at(42, 100)
        assert stream.getvalue() == shown
