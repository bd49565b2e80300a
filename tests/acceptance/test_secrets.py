"""No key and no password reaches a log, an error or a metric, whoever puts it there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, running_server
from threadkeep.masking import MASK, mask_for

LEAKING = ROOT / "tests" / "projects" / "leaking" / "langgraph.json"
KEY, PASSWORD, BEARER = "xyzzy-partner-key", "xyzzy-plugh", "eyJleaked.bearer.token"
PARTNER = {"PARTNER_API_KEY": KEY, "PARTNER_URL": f"https://ada:{PASSWORD}@partner.example/v1"}


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_failing_tools_secrets_are_masked_in_log_error_and_metrics(data_dir: Path, log_format: str) -> None:
    environment = {**PARTNER, "LOG_FORMAT": log_format, "LOG_LEVEL": "debug"}
    with running_server(data_dir, config=LEAKING, environment=environment) as server, server.client() as client:
        sent = {"x-api-key": KEY, "authorization": f"Bearer {BEARER}", "x-partner-secret": KEY}
        body = {"message": "go", "graph": "leaking"}
        failed = client.post("/chat", json=body, headers=sent)
        assert failed.status_code == 502
        streamed = client.post("/chat", json={**body, "stream": True}, headers=sent).text
        assert "event: error" in streamed
        asked: dict[str, Any] = {"assistant_id": "leaking", "stream_mode": ["debug", "tasks", "checkpoints", "tools"]}
        asked["input"] = {"messages": [{"role": "user", "content": "go"}]}
        every = client.post("/runs/stream", json=asked).text
        assert "event: tasks" in every
        run = client.get(f"/threads/{failed.json()['thread_id']}/runs/{failed.json()['run_id']}").text
        thread = client.get(f"/threads/{failed.json()['thread_id']}").json()["error"]
        state = client.get(f"/threads/{failed.json()['thread_id']}/state").text
        history = client.get(f"/threads/{failed.json()['thread_id']}/history").text
        assert "401 from" in state
        metrics = client.get("/metrics").text
    shown = {
        "answer": failed.text,
        "stream": streamed,
        "every mode": every,
        "run": run,
        "thread": json.dumps(thread),
        "state": state,
        "history": history,
        "metrics": metrics,
    }
    for place, text in {**shown, "log": server.log}.items():
        for secret in (KEY, PASSWORD, BEARER):
            assert secret not in text, place
    assert f"401 from https://ada:{MASK}@partner.example/v1" in json.loads(run)["error"]["message"]
    assert server.log.count("401 from https://ada:") >= 2


def test_a_models_address_with_a_password_in_it_is_never_shown(data_dir: Path) -> None:
    environment = {
        "MODEL": "openai:some-model",
        "OPENAI_BASE_URL": f"http://ada:{PASSWORD}@127.0.0.1:9/v1",
        "OPENAI_API_KEY": KEY,
        "LOG_LEVEL": "debug",
    }
    with running_server(data_dir, environment=environment) as server, server.client() as client:
        failed = client.post("/chat", json={"message": "hello"})
        assert failed.status_code == 502
        shown = [failed.text, client.get("/info").text, client.get("/metrics").text, server.banner, server.log]
    for text in shown:
        assert PASSWORD not in text
        assert KEY not in text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Incorrect API key provided: sk-proj-abcdefgh12345.", f"Incorrect API key provided: {MASK}"),
        ("authorization: Bearer abc.def-ghi", f"authorization: Bearer {MASK}"),
        ('{"api_key": "abcdef123"}', f'{{"api_key": "{MASK}"}}'),
        ("postgres://ada:hunter22@db/app?x=1", f"postgres://ada:{MASK}@db/app?x=1"),
        ("https://search.example/?api_key=abcdef123&q=cats", f"https://search.example/?api_key={MASK}&q=cats"),
        ("BASIC YWRhOmh1bnRlcjIyMjI=", f"BASIC {MASK}"),
        ("a \u212aelvin's ghp_abcdefgh1234, t\u212a-abcdefgh1234", f"a \u212aelvin's {MASK}, {MASK}"),
        ("line one\nHUNTER-22 is it", f"line one\n{MASK} is it"),
    ],
)
def test_what_looks_like_a_key_is_masked(text: str, masked: str) -> None:
    assert mask_for({"MY_PASSWORD": "HUNTER-22"})(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        '{"usage":{"input_tokens":137,"total_tokens":143},"event":"run_ended"}',
        "http://127.0.0.1:8123/threads/01a2077d-0282-7fa8-b0bb-b7819a9db31a?limit=3",
        "The token limit of this model is 8192 tokens.",
        "Say who you are: send an API key (x-api-key, or Authorization: Bearer).",
        "the password must be changed; secret santa; a basic question",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask_for({"SHORT_KEY": "on", "HOME": "/root", "EMPTY_TOKEN": ""})(text) == text
