"""Webhooks to a real target that is well, down, slow or redirecting, from a real server that may die meanwhile."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from tests.acceptance.talking import wait_until
from tests.api_requirements import requirement
from tests.processes import TRIAL_PROJECT, ServerProcess, run_to_end, running_server
from tests.webhook_receiver import Received, Receiver, receiving
from threadkeep.config import load_config
from threadkeep.errors import InvalidError, StartupError
from threadkeep.runs.webhook_targets import WebhookTargets
from threadkeep.webhook_config import WebhookRules

ECHO: dict[str, Any] = {"assistant_id": "echo", "input": {"messages": [{"role": "user", "content": "hi"}]}}
TRUSTING = {"WEBHOOK_TRUSTED_HOSTS": "127.0.0.1", "WEBHOOK_TIMEOUT_SECONDS": "1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("webhooks") / "data"
    with running_server(data, config=TRIAL_PROJECT, environment=TRUSTING) as running:
        yield running


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def target() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def told(target: Receiver, path: str, count: int = 1) -> list[Received]:
    """What came to a path, once so many have."""
    wait_until(lambda: len(target.at(path)) >= count, what=f"{count} webhooks at {path}")
    return target.at(path)


def new_thread(http: httpx.Client) -> str:
    return str(http.post("/threads", json={}).json()["thread_id"])


@requirement("webhooks.payload")
def test_a_webhook_tells_of_the_run_and_what_it_came_to(http: httpx.Client, target: Receiver) -> None:
    thread_id = new_thread(http)
    run = http.post(f"/threads/{thread_id}/runs", json={**ECHO, "webhook": f"{target.url}/hook?token=1"}).json()
    [sent] = told(target, "/hook?token=1")
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["webhook-attempt"] == "1"
    assert sent.body["values"]["messages"][-1]["content"] == "echo: hi"
    assert sent.body["run_started_at"] <= sent.body["run_ended_at"] <= sent.body["webhook_sent_at"]
    shown = http.get(f"/threads/{thread_id}/runs/{run['run_id']}").json()
    assert {key: sent.body[key] for key in shown} == shown
    assert (shown["status"], shown["kwargs"]["webhook"]) == ("success", f"{target.url}/hook?token=1")


@requirement("webhooks.payload")
def test_a_stateless_runs_webhook_has_the_values_although_the_thread_is_gone(
    http: httpx.Client, target: Receiver
) -> None:
    answer = http.post("/runs/wait", json={**ECHO, "webhook": f"{target.url}/stateless"}).json()
    [sent] = told(target, "/stateless")
    assert sent.body["values"] == answer
    assert http.get(f"/threads/{sent.body['thread_id']}").status_code == 404


@requirement("webhooks.payload")
def test_a_webhook_tells_all_that_its_run_asks(http: httpx.Client, target: Receiver) -> None:
    asks = {"assistant_id": "polling", "input": {"topic": "aloud"}, "webhook": f"{target.url}/polling"}
    answer = http.post(f"/threads/{new_thread(http)}/runs/wait", json=asks).json()
    [sent] = told(target, "/polling")
    assert sent.body["values"] == answer
    assert [item["value"]["q"] for item in answer["__interrupt__"]] == ["b", "c", "a"]


@requirement("webhooks.payload")
def test_every_end_of_a_run_is_told(http: httpx.Client, target: Receiver) -> None:
    def run(path: str, thread_id: str, **body: Any) -> str:
        answer = http.post(f"/threads/{thread_id}/runs", json={"webhook": target.url + path, **body})
        assert answer.status_code == 200, answer.text
        return f"/threads/{thread_id}/runs/{answer.json()['run_id']}"

    run("/failed", new_thread(http), assistant_id="failing", input={"how": "raise"})
    [failed] = told(target, "/failed")
    assert (failed.body["status"], failed.body["error"]["message"]) == ("error", "boom on purpose")
    run("/asks", new_thread(http), assistant_id="asking", input={"topic": "tea"})
    [asks] = told(target, "/asks")
    assert asks.body["status"] == "success"
    assert asks.body["values"]["__interrupt__"][0]["value"] == {"question": "first about tea?"}
    thread_id = new_thread(http)
    long = {"assistant_id": "slow", "input": {"steps": 1000, "seconds": 0.05}}
    first, second = run("/stopped", thread_id, **long), run("/waiting", thread_id, **long)
    wait_until(lambda: bool((http.get(f"/threads/{thread_id}").json()["values"] or {}).get("done")), what="a step")
    assert http.post(f"{second}/cancel").status_code == 202
    [waiting] = told(target, "/waiting")
    assert (waiting.body["status"], waiting.body["run_started_at"], waiting.body["values"]) == ("interrupted", None, {})
    assert http.post(f"{first}/cancel", params={"action": "rollback"}).status_code == 202
    [stopped] = told(target, "/stopped")
    assert stopped.body["status"] == "interrupted"
    assert stopped.body["values"]["done"]


@pytest.mark.fault(33)
@requirement("webhooks.delivery")
def test_a_target_that_is_down_is_told_when_it_is_up_again_even_by_the_next_process(tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    server = ServerProcess(tmp_path / "data", TRIAL_PROJECT, TRUSTING)
    try:
        server.start()
        with server.client() as http:
            http.post("/runs/wait", json={**ECHO, "webhook": f"http://127.0.0.1:{port}/hook"}).raise_for_status()
            wait_until(lambda: "webhook_failed" in server.log, what="a failed try")
        server.kill()
        server.restart()
        with receiving(port) as target:
            target.answers += [500]
            [first, second] = told(target, "/hook", 2)
            assert first.headers["webhook-id"] == second.headers["webhook-id"]
            attempts = [int(one.headers["webhook-attempt"]) for one in (first, second)]
            assert attempts == [attempts[0], attempts[0] + 1]
            assert attempts[0] >= 2
            assert second.body["values"]["messages"][-1]["content"] == "echo: hi"
            wait_until(lambda: "webhook_delivered" in server.log, what="the end of the tries")
            assert len(target.received) == 2
    finally:
        if server.process is not None:
            server.kill()


@pytest.mark.fault(33)
@requirement("webhooks.delivery")
def test_a_slow_target_is_tried_again_and_holds_up_no_other(http: httpx.Client, target: Receiver) -> None:
    with receiving() as slow:
        slow.answers += [0] * 8
        for _ in range(8):
            http.post("/runs/wait", json={**ECHO, "webhook": f"{slow.url}/slow"}).raise_for_status()
        http.post("/runs/wait", json={**ECHO, "webhook": f"{target.url}/quick"}).raise_for_status()
        told(target, "/quick")
        again = told(slow, "/slow", 9)
        assert len({one.headers["webhook-id"] for one in again}) < len(again)


@requirement("webhooks.redirects")
def test_a_redirect_is_not_followed_and_the_webhook_is_tried_again(http: httpx.Client, target: Receiver) -> None:
    target.answers += [307, 302]
    http.post("/runs/wait", json={**ECHO, "webhook": f"{target.url}/here"}).raise_for_status()
    told(target, "/here", 3)
    assert target.at("/elsewhere") == []


@requirement("webhooks.delivery")
def test_a_target_that_wants_no_more_or_never_answers_is_given_up_at_last(tmp_path: Path) -> None:
    settings = {**TRUSTING, "WEBHOOK_RETRY_HOURS": "0.0005"}
    with (
        receiving() as target,
        running_server(tmp_path / "data", config=TRIAL_PROJECT, environment=settings) as server,
        server.client() as http,
    ):
        target.answers += [410] + [500] * 50
        http.post("/runs/wait", json={**ECHO, "webhook": f"{target.url}/gone"}).raise_for_status()
        wait_until(lambda: server.log.count("webhook_given_up") == 1, what="giving up at once")
        http.post("/runs/wait", json={**ECHO, "webhook": f"{target.url}/broken"}).raise_for_status()
        wait_until(lambda: server.log.count("webhook_given_up") == 2, what="giving up in the end")
        assert (len(target.at("/gone")), len(target.at("/broken")) >= 2) == (1, True)
        assert 'threadkeep_webhooks_total{outcome="given_up"} 2.0' in http.get("/metrics").text


@requirement("webhooks.delivery")
def test_an_erased_users_webhooks_are_told_to_nobody(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/"
        server = ServerProcess(tmp_path / "data", TRIAL_PROJECT, TRUSTING).start()
        try:
            with server.client() as http:
                for user in ("ada", "bob"):
                    thread_id = http.post("/chat", json={"message": "hi", "user_id": user}).json()["thread_id"]
                    wait = f"/threads/{thread_id}/runs/wait"
                    http.post(wait, json={**ECHO, "webhook": url + user}).raise_for_status()
                wait_until(lambda: server.log.count("webhook_failed") >= 2, what="both to wait")
                http.delete("/users/ada").raise_for_status()
            server.stop()
        finally:
            if server.process is not None:
                server.kill()
    connection = apsw.Connection(str(server.data_dir / "server.db"), flags=apsw.SQLITE_OPEN_READONLY)
    assert connection.execute("SELECT url FROM outbox").fetchall() == [(f"{url}bob",)]
    connection.close()


@requirement("webhooks.blocked")
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1/hook", "127.0.0.1 is a loopback address"),
        ("http://127.1/hook", "loopback"),
        ("http://2130706433/hook", "loopback"),
        ("http://localhost:8123/hook", "this machine"),
        ("http://api.localhost./hook", "this machine"),
        ("http://[::1]/hook", "loopback"),
        ("http://[::ffff:10.0.0.1]/hook", "private"),
        ("http://[64:ff9b::a00:1]/hook", "private"),
        ("http://10.1.2.3/hook", "private"),
        ("http://192.168.1.1/hook", "private"),
        ("http://169.254.169.254/latest/meta-data", "link-local"),
        ("http://0.0.0.0/", "private"),
        ("ftp://example.com/hook", "plain http"),
        ("file:///etc/passwd", "plain http"),
        ("http://user:secret@example.com/", "plain http"),
        ("http://example.com:99999/", "Port"),
        ("http://[::1/", "blocked"),
        ("https://", "plain http"),
        ("/threads", "disable_loopback"),
        ("//example.com/hook", "plain http"),
        ("https://example.com/" + "x" * 3000, "longer than 2048"),
    ],
)
def test_a_webhook_to_an_address_that_is_not_public_is_refused_and_nothing_is_stored(
    trial_http: httpx.Client, url: str, words: str
) -> None:
    thread_id = new_thread(trial_http)
    refused = trial_http.post(f"/threads/{thread_id}/runs", json={**ECHO, "webhook": url})
    assert refused.status_code == 422, refused.text
    assert words in refused.json()["detail"]
    assert trial_http.get(f"/threads/{thread_id}/runs").json() == []
    cron = trial_http.post("/runs/crons", json={**ECHO, "schedule": "0 0 1 1 *", "webhook": url})
    assert cron.status_code == 422


@requirement("webhooks.blocked")
async def test_a_name_is_connected_to_at_the_address_that_was_checked_and_only_if_all_are_public() -> None:
    names = {"hooks.example.com": ["93.184.216.34"], "six.example.com": ["2606:4700::1111"]}
    names |= {"mixed.example.com": ["93.184.216.34", "10.0.0.1"], "inside.example.com": ["169.254.169.254"]}

    async def resolve(host: str, port: int) -> list[str]:
        return names[host]

    targets = WebhookTargets(WebhookRules(), ["Inside.example.com"], resolve)
    pinned = await targets.pinned("https://hooks.example.com/a?b=c")
    assert (pinned.url, pinned.host_header) == ("https://93.184.216.34:443/a?b=c", "hooks.example.com")
    assert pinned.server_name == "hooks.example.com"
    assert (await targets.pinned("http://six.example.com:81/")).url == "http://[2606:4700::1111]:81/"
    assert targets.accepted("https://mixed.example.com/") == "https://mixed.example.com/"
    with pytest.raises(InvalidError, match="private address"):
        await targets.pinned("https://mixed.example.com/")
    assert (await targets.pinned("http://inside.example.com/")).url == "http://169.254.169.254:80/"


def project(tmp_path: Path, **keys: Any) -> Path:
    config = json.loads(TRIAL_PROJECT.read_text())
    path = tmp_path / "langgraph.json"
    config["graphs"] = {"echo": str(TRIAL_PROJECT.parent / "trial_graphs" / "echo.py") + ":graph"}
    path.write_text(json.dumps({**config, **keys}))
    return path


@requirement("webhooks.config")
def test_headers_and_rules_come_from_langgraph_json(tmp_path: Path) -> None:
    headers = {"authorization": "Bearer ${{ env.HOOK_TOKEN }}", "x-from": "us"}
    with receiving() as target:
        port = int(target.url.rpartition(":")[2])
        rules = {"allowed_domains": ["127.0.0.1", "*.example.com"], "allowed_ports": [port, 443], "max_url_length": 60}
        config = project(tmp_path, webhooks={"env_prefix": "HOOK_", "headers": headers, "url": rules})
        environment = {**TRUSTING, "HOOK_TOKEN": "s3cret"}
        with running_server(tmp_path / "data", config=config, environment=environment) as server:
            with server.client() as http:
                http.post("/runs/wait", json={**ECHO, "webhook": f"{target.url}/hook"}).raise_for_status()
                [sent] = told(target, "/hook")
                assert (sent.headers["authorization"], sent.headers["x-from"]) == ("Bearer s3cret", "us")
                for url, words in (
                    ("https://example.com/", "allowed_domains"),
                    ("https://a.example.com:8443/", "allowed_ports"),
                    ("https://a.example.com/" + "x" * 60, "longer than 60"),
                ):
                    refused = http.post("/runs", json={**ECHO, "webhook": url})
                    assert (refused.status_code, words in refused.json()["detail"]) == (422, True)
            assert "s3cret" not in server.log
            assert "has no effect" not in server.log


@requirement("webhooks.config")
async def test_only_https_when_the_rules_say_so() -> None:
    targets = WebhookTargets(WebhookRules(require_https=True), [])
    assert targets.accepted("https://example.com/") is not None
    with pytest.raises(InvalidError, match="require_https"):
        targets.accepted("http://example.com/")
    assert WebhookTargets(WebhookRules(enabled=False), []).accepted("http://127.0.0.1/") is None


@requirement("webhooks.config")
@pytest.mark.parametrize(
    ("section", "words"),
    [
        ([], "`webhooks` is [], but must be an object"),
        ({"url": {"require_https": "yes"}}, "`webhooks.url.require_https`"),
        ({"url": {"allowed_domains": "example.com"}}, "`webhooks.url.allowed_domains`"),
        ({"url": {"allowed_ports": [0]}}, "`webhooks.url.allowed_ports`"),
        ({"url": {"max_url_length": 0}}, "`webhooks.url.max_url_length`"),
        ({"headers": {"x": 1}}, "`webhooks.headers.x`"),
        ({"headers": {"host": "a"}}, "`webhooks.headers.host`"),
        ({"headers": {"x": "${{ env.HOME }}"}}, "LG_WEBHOOK_"),
        ({"headers": {"x": "${{ HOME }}"}}, "${{ env.NAME }}"),
        ({"headers": {"x": "${{ env.LG_WEBHOOK_NOT_SET }}"}}, "LG_WEBHOOK_NOT_SET, which is not set"),
    ],
)
def test_a_wrong_webhooks_section_stops_the_start_with_its_place(tmp_path: Path, section: Any, words: str) -> None:
    with pytest.raises(StartupError) as refused:
        load_config(project(tmp_path, webhooks=section)).webhooks.resolved_headers({})
    assert words in str(refused.value)
    assert "langgraph.json" in str(refused.value)


@requirement("webhooks.config")
def test_a_header_without_its_variable_stops_the_start(tmp_path: Path) -> None:
    config = project(tmp_path, webhooks={"headers": {"x": "${{ env.LG_WEBHOOK_NOT_SET }}"}})
    refused = run_to_end("--port", "0", "--data", str(tmp_path / "data"), "--config", str(config))
    assert refused.returncode == 1
    assert "`webhooks.headers.x` needs LG_WEBHOOK_NOT_SET, which is not set" in refused.stderr
    assert "Traceback" not in refused.stderr
