"""What `/metrics` tells of runs, their parts, streams and the disk; and what runs and threads tell of their use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.talking import chat, wait_until
from tests.api_requirements import requirement
from tests.processes import ROOT, TRIAL_PROJECT, ServerProcess, running_server
from threadkeep.metrics import OTHER, Metrics, Now

PRICES = '{"offline": {"input": 2.0, "output": 10.0}}'
CONVENTIONAL = ("_total", "_seconds", "_bytes", "_info", "_runs", "_readers")


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data_dir = tmp_path_factory.mktemp("priced") / "data"
    with running_server(data_dir, environment={"MODEL_PRICES": PRICES}) as server:
        yield server


def value(client: httpx.Client, name: str, **labels: str) -> float:
    """The one sample with these labels; 0 when there is none yet."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    found = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(found)


def test_a_scrape_tells_of_nodes_models_tools_tokens_cost_and_checkpoints(priced: ServerProcess) -> None:
    with priced.client() as client:
        # streamed, or no token would ever be the first one
        reply = client.post("/chat", json={"message": "what is 12 * 12?", "stream": True})
        assert "144" in reply.text
        ended = {"graph_id": "react", "status": "success"}
        wait_until(lambda: value(client, "threadkeep_runs_total", **ended) >= 1, what="the run's count")
        count = "threadkeep_{}_seconds_count".format
        assert value(client, count("run_queue_wait"), graph_id="react") == 1
        assert value(client, count("node_duration"), graph_id="react", node="call_model", outcome="ok") == 2
        assert value(client, count("model_call_duration"), model="offline", outcome="ok") == 2
        assert value(client, count("time_to_first_token"), model="offline") >= 1
        assert value(client, count("tool_call_duration"), tool="calculator", outcome="ok") == 1
        given = value(client, "threadkeep_model_tokens_total", model="offline", kind="input")
        made = value(client, "threadkeep_model_tokens_total", model="offline", kind="output")
        assert min(given, made) > 0
        assert value(client, "threadkeep_model_cost_usd_total", model="offline") == pytest.approx(
            (given * 2 + made * 10) / 1_000_000
        )
        assert value(client, "threadkeep_checkpoint_writes_total") >= 4
        assert value(client, "threadkeep_checkpoint_written_bytes_total") > 500
        assert value(client, "threadkeep_database_bytes", file="server.db") > 0
        assert value(client, "threadkeep_database_bytes", file="checkpoints.db") > 0
        assert value(client, "process_resident_memory_bytes") > 0


def test_every_metric_of_ours_is_named_by_convention(priced: ServerProcess) -> None:
    with priced.client() as client:
        families = list(text_string_to_metric_families(client.get("/metrics").text))
    ours = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    ours = {name for name in ours if name.startswith("threadkeep_")}
    assert len(ours) > 20
    assert [name for name in ours if not name.endswith(CONVENTIONAL)] == []
    assert all(family.documentation for family in families)
    told = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    assert [name for name in ours if f"`{name}`" not in told] == []


@requirement("threads.usage")
def test_a_run_a_thread_and_a_user_know_what_they_used_and_what_it_cost(priced: ServerProcess) -> None:
    user = f"user-{uuid4().hex[:8]}"
    with priced.client() as client:
        first = chat(client, "what is 2 + 3?", user_id=user)
        second = chat(client, "hello", user_id=user)
        run = client.get(f"/threads/{first['thread_id']}/runs/{first['run_id']}").json()
        thread = client.get(f"/threads/{first['thread_id']}").json()
        users = client.get("/metrics?format=json").json()["users"]
    used = run["usage"]
    paid = (used["input_tokens"] * 2 + used["output_tokens"] * 10) / 1_000_000
    assert used == first["usage"]
    assert used["cost_usd"] == pytest.approx(paid)
    both = {name: first["usage"][name] + second["usage"][name] for name in used}
    assert thread["usage"] == {"runs": 2, **both, "cost_usd": pytest.approx(both["cost_usd"])}
    assert users[user]["total_tokens"] == both["total_tokens"]
    assert users[user]["total_cost_usd"] == pytest.approx(both["cost_usd"])


def test_a_price_that_nobody_knows_is_null_and_not_nothing(http: httpx.Client) -> None:
    answer = chat(http, "hello")
    assert answer["usage"]["total_tokens"] > 0
    assert answer["usage"]["cost_usd"] is None
    assert http.get(f"/threads/{answer['thread_id']}").json()["usage"]["cost_usd"] is None
    assert value(http, "threadkeep_model_calls_unpriced_total", model="offline") >= 1


def test_a_run_without_a_model_costs_nothing_and_a_new_thread_has_used_nothing(trial_http: httpx.Client) -> None:
    thread_id = trial_http.post("/threads", json={}).json()["thread_id"]
    nothing = {"model_calls": 0, "input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "cost_usd": 0}
    assert trial_http.get(f"/threads/{thread_id}").json()["usage"] == {"runs": 0, **nothing}
    trial_http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": {"messages": "hi"}})
    assert trial_http.get(f"/threads/{thread_id}").json()["usage"] == {"runs": 1, **nothing}


def test_open_streams_are_counted_and_a_stop_tells_why_they_were_cut(data_dir: Path) -> None:
    with running_server(data_dir, config=TRIAL_PROJECT) as server, server.client() as client:
        given = {"assistant_id": "slow", "input": {"steps": 1, "seconds": 20}, "stream_mode": ["values"]}
        with server.client() as reading, reading.stream("POST", "/runs/stream", json=given) as response:
            lines = response.iter_lines()
            assert next(lines)
            assert value(client, "threadkeep_stream_readers", kind="stream") == 1
            assert value(client, "threadkeep_queue_runs", status="running") == 1
        wait_until(lambda: value(client, "threadkeep_stream_readers", kind="stream") == 0, what="the reader's leaving")


def test_label_values_that_come_from_outside_are_bounded(tmp_path: Path) -> None:
    metrics = Metrics()
    for number in range(1_000):
        metrics.model_answered(f"model-{number}", "ok", 0.1)
        metrics.request_answered(f"METHOD{number}", "/chat", 405, 0.1)
    text = metrics.render(Now(0, 0, 0.0, tmp_path)).decode()
    assert text.count("threadkeep_model_call_duration_seconds_count{") < 250
    assert f'threadkeep_model_call_duration_seconds_count{{model="{OTHER}",outcome="ok"}} 800.0' in text
    assert f'threadkeep_http_requests_total{{method="{OTHER}",route="/chat",status="405"}} 1000.0' in text
