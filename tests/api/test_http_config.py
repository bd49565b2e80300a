"""The `http` section of `langgraph.json`: each key does what it says, or the start says what it should be."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from langgraph_sdk import get_client, get_sync_client
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.acceptance.talking import wait_until
from tests.api_requirements import requirement
from tests.processes import ROOT, ServerProcess, run_to_end, running_server
from threadkeep.config import load_config
from threadkeep.errors import StartupError
from threadkeep.http_config import HeaderRules

WEB_PROJECT = ROOT / "tests" / "projects" / "web" / "langgraph.json"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("web") / "data", config=WEB_PROJECT) as server:
        yield server


@pytest.fixture
def http(web: ServerProcess) -> Iterator[httpx.Client]:
    with web.client() as client:
        yield client


def project(tmp_path: Path, **http_section: Any) -> Path:
    """The project on another `http` section."""
    path = tmp_path / "langgraph.json"
    graph = WEB_PROJECT.parent / "web_graphs" / "seen.py"
    path.write_text(json.dumps({"graphs": {"seen": f"{graph}:graph"}, "http": http_section}))
    return path


@requirement("config.http.app")
def test_custom_routes_come_first_but_for_those_that_say_what_the_server_is(http: httpx.Client) -> None:
    assert http.get("/api/mine/ada").json()["name"] == "ada"
    assert http.get("/api/info").json() == {"version": "mine"}
    assert http.get("/api/ok").json() == {"ok": True, "services": {}}
    assert "/threads" in http.get("/api/openapi.json").json()["paths"]
    assert http.post("/api/threads", json={}).status_code == 200
    missing = http.get("/api/mine/missing")
    assert (missing.status_code, missing.json()) == (404, {"detail": "mine is missing"})
    assert http.get("/api/nowhere").json() == {"detail": "Not Found"}


@requirement("config.http.app")
def test_custom_middleware_goes_around_every_route(http: httpx.Client) -> None:
    for path in ("/api/mine/ada", "/api/threads/count", "/api/ok"):
        answer = http.post(path, json={}) if path.endswith("count") else http.get(path)
        assert (answer.status_code, answer.headers["x-marked"]) == (200, "yes"), path
        assert answer.headers["x-request-id"]
    turned = http.post("/api/threads", json={}, headers={"x-turn-away": "1"})
    assert (turned.status_code, turned.text) == (418, "turned away")


@requirement("config.http.app")
def test_what_breaks_in_a_custom_route_tells_nothing_of_the_inside(http: httpx.Client, web: ServerProcess) -> None:
    broken = http.get("/api/broken")
    assert broken.status_code == 500
    assert "secret" not in broken.text
    wait_until(lambda: "a secret of somebody's code" in web.log, what="the line that tells the operator")
    # On a connection of its own: uvicorn closes the one that something broke on.
    assert httpx.get(f"{web.url}/api/mine/ada").status_code == 200


@requirement("config.http.app")
def test_a_foreign_page_reaches_custom_routes_no_more_than_others(http: httpx.Client) -> None:
    assert http.get("/api/mine/ada", headers={"origin": "https://evil.example"}).status_code == 403
    assert http.get("/api/mine/ada", headers={"host": "evil.example"}).status_code == 403


@requirement("config.http.custom_route_auth", "openai.errors")
@pytest.mark.parametrize(
    ("guarded", "order"), [(False, "middleware_first"), (True, "middleware_first"), (False, "auth_first")]
)
def test_custom_routes_ask_for_credentials_when_they_are_told_to(tmp_path: Path, guarded: bool, order: str) -> None:
    shutil.copytree(WEB_PROJECT.parent, tmp_path / "project")
    config = tmp_path / "project" / "langgraph.json"
    keys = json.loads(config.read_text())
    keys["http"] |= {"enable_custom_route_auth": guarded, "middleware_order": order}
    config.write_text(json.dumps(keys))
    made = run_to_end("keys", "new", "ada", "--data", str(tmp_path / "data"))
    key = {"x-api-key": made.stdout.splitlines()[0]}
    with (
        running_server(tmp_path / "data", config=config, environment={"API_KEYS": "1"}) as server,
        server.client() as http,
    ):
        assert http.get("/api/mine/ada").status_code == (401 if guarded else 200)
        assert http.get("/api/mine/ada", headers=key).status_code == 200
        assert http.post("/api/threads/count", json={}).status_code == 401
        assert http.post("/api/threads/count", json={}, headers=key).status_code == 200
        turned = http.post("/api/threads/count", json={}, headers={"x-turn-away": "1"})
        assert turned.status_code == (418 if order == "middleware_first" else 401)
        with openai.OpenAI(base_url=f"{server.url}/api/v1", api_key="wrong") as client:
            with pytest.raises(openai.AuthenticationError, match="API key") as refused:
                client.models.list()
            assert refused.value.type == "invalid_request_error"
            assert list(client.with_options(api_key=key["x-api-key"]).models.list()) == []


ENDLESS: dict[str, Any] = {
    "assistant_id": "endless",
    "input": {"steps": 0},
    "stream_mode": "updates",
    "config": {"recursion_limit": 1_000},
}


@requirement("config.http.app")
def test_a_client_that_leaves_is_noticed_through_custom_middleware(http: httpx.Client) -> None:
    thread_id = http.post("/api/threads", json={}).json()["thread_id"]
    body = {**ENDLESS, "on_disconnect": "cancel"}
    with http.stream("POST", f"/api/threads/{thread_id}/runs/stream", json=body) as answer:
        assert "updates" in next(line for line in answer.iter_lines() if "updates" in line)
    place = f"/api/threads/{thread_id}/runs"
    wait_until(lambda: http.get(place).json()[0]["status"] == "interrupted", what="the run to be stopped")


@requirement("config.http.app", "streams.cut")
def test_a_stopping_server_cuts_streams_through_custom_middleware_too(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", config=WEB_PROJECT) as server, server.client() as http:
        with http.stream("POST", "/api/runs/stream", json=ENDLESS) as answer:
            lines = answer.iter_lines()
            assert next(line for line in lines if "updates" in line)
            server.send(signal.SIGTERM)
            with pytest.raises(httpx.RemoteProtocolError):
                list(lines)
        assert server.ended() == 0


@requirement("config.http.app", "config.http.mount_prefix")
async def test_web_sockets_are_served_below_the_prefix_too(web: ServerProcess) -> None:
    base = web.url.replace("http://", "ws://")
    async with connect(f"{base}/api/talk") as socket:
        assert await socket.recv() == "hello"
    with pytest.raises(InvalidStatus):
        await connect(f"{base}/talk")


@requirement("config.http.lifespan")
def test_the_custom_lifespan_has_opened_before_the_first_request(http: httpx.Client) -> None:
    assert http.get("/api/mine/ada").json() == {"name": "ada", "app": "app state", "request": "request state"}


@requirement("config.http.app", "webhooks.config")
def test_a_webhook_may_be_a_route_of_the_custom_application_when_the_rules_say_so(http: httpx.Client) -> None:
    run = {"assistant_id": "seen", "input": {}, "webhook": "/api/hook"}
    http.post("/api/runs/wait", json=run).raise_for_status()
    wait_until(lambda: bool(http.get("/api/hooks").json()), what="the webhook")
    assert http.get("/api/hooks").json()[0]["values"]["seen"]["graph_id"] == "seen"


@requirement("config.http.mount_prefix")
def test_everything_is_below_the_prefix_and_locations_say_so(http: httpx.Client) -> None:
    refused = http.post("/threads", json={})
    assert (refused.status_code, "/api" in refused.json()["detail"]) == (404, True)
    assert http.get("/apiary").status_code == 404
    for path in ("/ok", "/health", "/ready", "/metrics", "/api/health", "/api/docs", "/api"):
        assert http.get(path).status_code == 200, path
    assert '"docs/docs.js"' in http.get("/api/docs").text
    assert '"openapi.json"' in http.get("/api/docs/docs.js").text
    thread_id = http.post("/api/threads", json={}).json()["thread_id"]
    run = {"assistant_id": "seen", "input": {}}
    answer = http.post(f"/api/threads/{thread_id}/runs/stream", json={**run, "stream_resumable": True})
    place = answer.headers["content-location"]
    assert re.fullmatch(rf"/api/threads/{thread_id}/runs/[0-9a-f-]+", place)
    assert answer.headers["location"] == f"{place}/stream"
    again = http.get(answer.headers["location"], headers={"last-event-id": "-1"})
    assert again.text == answer.text
    created = http.post(f"/api/threads/{thread_id}/runs", json=run)
    assert created.headers["content-location"].startswith(f"/api/threads/{thread_id}/runs/")
    assert http.get("/api/away").headers["location"] == "/api/mine/away"


@requirement("config.http.mount_prefix")
async def test_the_sdk_works_below_the_prefix_and_finds_its_way_back(web: ServerProcess) -> None:
    async with get_client(url=f"{web.url}/api", api_key=None) as client:
        thread = await client.threads.create()
        created: list[Any] = []
        parts = client.runs.stream(
            thread["thread_id"], "seen", input={}, stream_resumable=True, on_run_created=created.append
        )
        assert [part.event async for part in parts] == ["metadata", "values", "end"]
        assert created[0]["thread_id"] == thread["thread_id"]
        # What the SDK makes of a Location when a stream breaks: its base URL before the path.
        answer = await client.http.client.post(
            f"/threads/{thread['thread_id']}/runs/stream", json={"assistant_id": "seen", "input": {}}
        )
        again = await client.http.client.get(answer.headers["location"])
        assert (str(again.url).count("/api"), again.status_code) == (2, 200)


@requirement("config.http.configurable_headers")
def test_only_included_headers_reach_the_runs_configuration(web: ServerProcess) -> None:
    sent = {"X-User-Name": "ada", "x-user-secret": "s", "x-other": "o", "x-api-key": "k", "cookie": "a=b"}
    headers = {**sent, "authorization": "Bearer t", "monkey": "m"}
    with get_sync_client(url=f"{web.url}/api", api_key=None) as client:
        asked = {"configurable": {"x-user-name": "mallory", "mine": 1}}
        seen = client.runs.wait(None, "seen", input={}, config=asked, headers=headers)["seen"]
        assert (seen["x-user-name"], seen["mine"], seen["monkey"]) == ("ada", 1, "m")
        assert not {"x-user-secret", "x-other", "x-api-key", "cookie", "authorization"} & set(seen)
        told = client.runs.wait(None, "seen", input={}, context={"tone": "loud"}, headers=headers)["seen"]
        assert (told["x-user-name"], told["tone"]) == ("ada", "loud")


@requirement("config.http.configurable_headers", "config.http.logging_headers")
def test_header_rules_mean_what_is_included_and_not_excluded() -> None:
    headers = [("X-A", "1"), ("x-b", "2"), ("Authorization", "3"), ("X-Api-Key", "4"), ("Cookie", "5"), ("y", "6")]
    assert HeaderRules().of(headers) == {}
    assert HeaderRules(excludes=("x-a",)).of(headers) == {}
    assert HeaderRules(("*",)).of(headers) == {"x-a": "1", "x-b": "2", "y": "6"}
    assert HeaderRules(("x-*", "y"), ("x-b",)).of(headers) == {"x-a": "1", "y": "6"}


@requirement("config.http.logging_headers")
def test_only_included_headers_are_logged(http: httpx.Client, web: ServerProcess) -> None:
    sent = {"x-trace": "trace-7f3", "x-user-secret": "hidden-7f3", "x-api-key": "key-7f3", "cookie": "c=cookie-7f3"}
    http.post("/api/threads/count", json={}, headers=sent)
    wait_until(lambda: "trace-7f3" in web.log, what="the log line")
    assert not re.search("hidden-7f3|key-7f3|cookie-7f3", web.log)


@requirement("config.http.disable")
def test_what_is_disabled_is_not_there(tmp_path: Path) -> None:
    off = ("assistants", "threads", "runs", "store", "meta", "webhooks", "event_streaming", "mcp", "a2a", "ui")
    config = project(tmp_path, **{f"disable_{group}": True for group in off})
    with running_server(tmp_path / "data", config=config) as server, server.client() as http:
        for method, path in (
            ("POST", "/assistants/search"),
            ("POST", "/threads"),
            ("GET", "/threads/00000000-0000-4000-8000-000000000001/state"),
            ("POST", "/runs/wait"),
            ("POST", "/threads/00000000-0000-4000-8000-000000000001/commands"),
            ("POST", "/threads/00000000-0000-4000-8000-000000000001/stream/events"),
            ("POST", "/threads/00000000-0000-4000-8000-000000000001/runs"),
            ("POST", "/runs/crons/search"),
            ("POST", "/store/items/search"),
            ("GET", "/info"),
            ("GET", "/metrics"),
            ("GET", "/docs"),
            ("GET", "/docs/swagger-ui.css"),
            ("GET", "/openapi.json"),
        ):
            answer = http.request(method, path, json={} if method == "POST" else None)
            assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"}), path
        assert http.get("/ok", params={"check_db": True}).json() == {"ok": True, "services": {}}
        assert http.get("/ready").status_code == 200
        assert "has no effect" not in server.log


@requirement("config.http.disable")
def test_runs_alone_are_served_when_the_rest_is_disabled(tmp_path: Path) -> None:
    config = project(tmp_path, disable_threads=True, disable_store=True, disable_assistants=True, disable_webhooks=True)
    with running_server(tmp_path / "data", config=config) as server, server.client() as http:
        run = {"assistant_id": "seen", "input": {}, "webhook": "http://10.0.0.1/never"}
        assert http.post("/runs/wait", json=run).json()["seen"]["graph_id"] == "seen"
        assert http.post("/threads", json={}).status_code == 404
        paths = http.get("/openapi.json").json()["paths"]
        assert "/runs/wait" in paths
        assert not [path for path in paths if path.startswith(("/store", "/assistants"))]
        flags = http.get("/info").json()["flags"]
        assert (flags["assistants"], flags["crons"]) == (False, True)
        assert "webhook_" not in server.log


@requirement("config.http.wrong")
@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"app": "web_app"}, '`http.app` is "web_app", but must be a string "path/to/file.py:variable"'),
        ({"mount_prefix": "api"}, "`http.mount_prefix`"),
        ({"mount_prefix": "/a b"}, "`http.mount_prefix`"),
        ({"mount_prefix": 1}, "`http.mount_prefix` is 1, but must be a string"),
        ({"disable_threads": "yes"}, '`http.disable_threads` is "yes", but must be true or false'),
        ({"disable_webhooks": 1}, "`http.disable_webhooks`"),
        ({"configurable_headers": ["x"]}, "`http.configurable_headers`"),
        ({"configurable_headers": {"includes": "x-*"}}, "`http.configurable_headers.includes`"),
        ({"logging_headers": {"only": ["x"]}}, "`http.logging_headers.only`"),
        ({"middleware_order": "last"}, "middleware_first, auth_first"),
        ({"enable_custom_route_auth": "on"}, "`http.enable_custom_route_auth`"),
    ],
)
def test_a_wrong_http_section_names_its_place_and_what_is_allowed(
    tmp_path: Path, section: dict[str, Any], words: str
) -> None:
    with pytest.raises(StartupError) as refused:
        load_config(project(tmp_path, **section))
    assert words in str(refused.value)
    assert "langgraph.json" in str(refused.value)


@requirement("config.http.wrong")
def test_a_custom_application_that_is_none_stops_the_start_and_an_unknown_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "web.py").write_text("app = 1\n")
    config = project(tmp_path, app="./web.py:app", favourite="tea")
    assert "`http.favourite`" in load_config(config).warnings[0]
    refused = run_to_end("--port", "0", "--data", str(tmp_path / "data"), "--config", str(config))
    assert refused.returncode == 1
    assert "`http.app` in langgraph.json: ./web.py:app is a int, but must be a Starlette" in refused.stderr
    assert "Traceback" not in refused.stderr
