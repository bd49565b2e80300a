"""How a server starts, and when it refuses to: always with a reason and a remedy, never on another port or folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.talking import chat, wait_until
from tests.processes import ROOT, ServerProcess, run_to_end, running_server
from threadkeep.commands import NAMES
from threadkeep.reload import source_files
from threadkeep.settings import SETTINGS


def test_help_explains_every_option_and_every_setting() -> None:
    shown = run_to_end("--help")
    assert shown.returncode == 0
    for option in ("--host", "--port", "--data", "--config", "--model", "--reload"):
        assert option in shown.stdout
    assert f"python server.py {'|'.join(NAMES)} --help" in shown.stdout
    for setting in SETTINGS:
        assert re.search(rf"^  {setting.env} +\S", shown.stdout, re.M), setting.env


def test_a_busy_port_is_an_error_that_says_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = run_to_end("--port", str(port), "--data", str(tmp_path / "data"))
    assert refused.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in refused.stderr
    assert "--port" in refused.stderr
    assert "Address " not in refused.stdout


def test_a_second_server_on_the_same_folder_is_refused_and_the_first_goes_on(shipped: ServerProcess) -> None:
    refused = run_to_end("--port", "0", "--data", str(shipped.data_dir))
    assert refused.returncode == 1
    assert refused.stderr.startswith("threadkeep: Another server (process ")
    assert "--data" in refused.stderr
    with shipped.client() as client:
        assert client.get("/ready").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_listening_beyond_this_machine_needs_as_many_words(tmp_path: Path, host: str) -> None:
    refused = run_to_end("--host", host, "--port", "0", "--data", str(tmp_path / "data"))
    assert refused.returncode == 1
    assert f"Refusing to listen on {host}" in refused.stderr
    assert "ALLOW_UNAUTHENTICATED=1" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_neither_key_nor_model_is_refused_with_both_remedies(tmp_path: Path) -> None:
    refused = run_to_end(
        "--port", "0", "--data", str(tmp_path / "data"), environment={"MODEL": "", "OPENAI_API_KEY": ""}
    )
    assert refused.returncode == 1
    assert "MODEL=offline" in refused.stderr
    assert "OPENAI_API_KEY" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_make_run_takes_the_offline_model_when_there_is_no_key(data_dir: Path) -> None:
    nothing = {"MODEL": "", "OPENAI_API_KEY": ""}
    with running_server(data_dir, environment=nothing, arguments=["--offline-without-key"]) as server:
        assert "NO REAL MODEL ANSWERS" in server.banner
        with server.client() as client:
            assert client.get("/info").json()["model"] == "offline"
            assert chat(client, "what is 2 + 2?")["model"] == "offline"


def test_a_key_without_a_model_means_the_documented_default(data_dir: Path) -> None:
    key = {"MODEL": "", "OPENAI_API_KEY": "not-a-real-key"}
    with running_server(data_dir, environment=key, arguments=["--offline-without-key"]) as server:
        assert "Model     openai:gpt-5-mini" in server.banner
        assert "not-a-real-key" not in server.banner
        with server.client() as client:
            assert client.get("/info").json()["model"] == "openai:gpt-5-mini"


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--model", "gpt"], {}, "MODEL must be 'offline' or '<provider>:<name>', not 'gpt'"),
        ([], {"PORT": "eighty"}, "PORT must be a number, not 'eighty'"),
        (["--port", "70000"], {}, "PORT must be between 0 and 65535"),
        (["--config", "nowhere.json"], {}, "nowhere.json. Name your configuration with --config"),
        ([], {"STUDIO": "maybe"}, "STUDIO must be 0 or 1, not 'maybe'"),
        ([], {"LOG_FORMAT": "xml"}, "LOG_FORMAT must be json, console or auto"),
        ([], {"MAX_CONCURRENT_RUNS": "0"}, "MAX_CONCURRENT_RUNS must be at least 1"),
        ([], {"RECEIVE_TIMEOUT_SECONDS": "0"}, "RECEIVE_TIMEOUT_SECONDS must be at least 1"),
        ([], {"WEBHOOK_TIMEOUT_SECONDS": "0"}, "WEBHOOK_TIMEOUT_SECONDS must be more than 0"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], words: str
) -> None:
    refused = run_to_end("--data", str(tmp_path / "data"), *arguments, environment={"PORT": "0", **environment})
    assert refused.returncode == 1
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"graphs": {}}', "`graphs`"),
        ('{"graphs": {"a": "./nowhere.py:graph"}}', "there is no file"),
        ('{"graphs": {"a": "./empty.py:graph"}}', "has no `graph`"),
        ('{"graphs": {"a": "./broken.py:graph"}}', "cannot import"),
        ("{graphs}", "cannot be read as JSON"),
    ],
)
def test_a_wrong_langgraph_json_is_refused_with_its_place(tmp_path: Path, config: str, words: str) -> None:
    (tmp_path / "langgraph.json").write_text(config)
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "broken.py").write_text("import a_module_that_is_not_there\n")
    refused = run_to_end("--port", "0", "--data", str(tmp_path / "data"), "--config", str(tmp_path / "langgraph.json"))
    assert refused.returncode == 1
    assert words in refused.stderr
    assert "langgraph.json" in refused.stderr


def test_settings_come_from_an_env_file_in_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"PORT=eighty\nHOST=0.0.0.0\nLANGGRAPH_CONFIG={ROOT / 'langgraph.json'}\n")
    refused = run_to_end("--data", str(tmp_path / "data"), cwd=tmp_path)
    assert "PORT must be a number, not 'eighty'" in refused.stderr
    refused = run_to_end("--port", "0", "--data", str(tmp_path / "data"), cwd=tmp_path)
    assert "Refusing to listen on 0.0.0.0" in refused.stderr
    # What is already set wins over the file.
    refused = run_to_end(cwd=tmp_path, environment={"PORT": "ninety"})
    assert "PORT must be a number, not 'ninety'" in refused.stderr


def test_the_shipped_example_env_file_can_be_copied_as_it_is(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    shipped = ["--port", "0", "--data", str(tmp_path / "data"), "--config", str(ROOT / "langgraph.json")]
    refused = run_to_end(*shipped, cwd=tmp_path, environment={"MODEL": ""})
    assert "No chat model is configured" in refused.stderr


def test_the_data_folder_is_made_for_its_owner_alone(shipped: ServerProcess) -> None:
    with shipped.client() as client:
        chat(client, "hello")
    assert shipped.data_dir.stat().st_mode & 0o777 == 0o700
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in shipped.data_dir.iterdir()}
    assert len(modes) >= 3
    assert set(modes.values()) == {"0o600"}, modes


def test_a_changed_source_restarts_the_server_and_keeps_the_threads(tmp_path: Path) -> None:
    copy = copied_project(tmp_path / "project")
    data = tmp_path / "data"
    logging = {"LOG_FORMAT": "json", "LOG_LEVEL": "debug"}
    with running_server(data, program=copy / "server.py", arguments=["--reload"], environment=logging) as server:
        with server.client() as client:
            wait_until(lambda: _answers(client) is not None, what="the first start")
            assert '{"' in next(line for line in server.log.splitlines() if "data_folder_opened" in line)
            thread_id = chat(client, "My name is Ada.", user_id="ada")["thread_id"]
            source = copy / "threadkeep" / "__init__.py"
            version = re.sub(r'__version__ = "[^"]+"', '__version__ = "0.0.1.dev1"', source.read_text())
            assert "0.0.1.dev1" in version
            source.write_text(version)
            wait_until(lambda: _answers(client) == "0.0.1.dev1", what="the restart")
            again = chat(client, "What is my name?", user_id="ada")
            assert again["thread_id"] == thread_id
            assert again["response"] == "Your name is Ada."
        assert server.stop() == 0


LEAVING = """
import multiprocessing, os, time
from pathlib import Path
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

class State(TypedDict, total=False):
    command: str
    child: str

def leave(state: State) -> State:
    if "command" in state:
        os.system(f"{state['command']} & echo $! > {state['child']}")
    else:
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
        Path(state["child"]).write_text(f"{child.pid}")
    return {}

graph = StateGraph(State).add_node("leave", leave).add_edge(START, "leave").compile()
"""


@pytest.mark.parametrize("command", ["sleep 60", None], ids=["another program", "a fork of the server"])
def test_a_child_process_that_a_tool_left_keeps_nobody_from_starting_again(tmp_path: Path, command: str | None) -> None:
    (tmp_path / "leaving.py").write_text(LEAVING)
    (tmp_path / "langgraph.json").write_text('{"dependencies": ["."], "graphs": {"leaving": "./leaving.py:graph"}}')
    child = tmp_path / "child"
    asked = {"child": str(child)} if command is None else {"child": str(child), "command": command}
    with running_server(tmp_path / "data", config=tmp_path / "langgraph.json") as server:
        with server.client() as client:
            client.post("/runs/wait", json={"assistant_id": "leaving", "input": asked}).raise_for_status()
        server.kill()
        number = int(child.read_text())
        try:
            server.arguments = ["--port", str(urlsplit(server.url).port)]
            server.restart()
            os.kill(number, 0)  # it still lives
            with server.client() as client:
                assert client.get("/ready").status_code == 200
        finally:
            os.kill(number, signal.SIGKILL)


def _answers(client: httpx.Client) -> str | None:
    try:
        return str(client.get("/info").json()["threadkeep_version"])
    except httpx.TransportError:
        return None


def copied_project(target: Path) -> Path:
    """What `server.py` needs, so that a test may change it."""
    target.mkdir()
    for name in ("graphs", "nodes", "checkpoints", "threadkeep"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("server.py", "langgraph.json"):
        shutil.copy(ROOT / name, target / name)
    return target


def test_only_sources_are_watched(tmp_path: Path) -> None:
    for name in (
        "graphs/mine.py",
        "langgraph.json",
        "data/server.db",
        ".venv/lib/x.py",
        "env/x.py",
        "__pycache__/x.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    watched = {path.relative_to(tmp_path).as_posix() for path in source_files(tmp_path)}
    assert watched == {"graphs/mine.py", "langgraph.json"}
