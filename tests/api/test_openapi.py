"""Our own OpenAPI: complete, with examples, and true: whatever it allows is answered, and never with a 5xx."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.api_requirements import requirement
from tests.processes import ServerProcess

HALF = r'"\ud800"'
DEEP = "[" * 300 + "]" * 300
ODD_BODIES = [
    ("/assistants", f'{{"graph_id": "echo", "name": {HALF}}}'),
    ("/assistants", '{"graph_id": "echo", "config": {"configurable": "text"}}'),
    ("/assistants/search", f'{{"name": {HALF}}}'),
    ("/threads", f'{{"metadata": {{"a": {DEEP}}}}}'),
    ("/threads/search", f'{{"values": {{"a": {DEEP}}}}}'),
    ("/threads/{thread_id}/history", f'{{"before": {HALF}}}'),
    ("/threads/{thread_id}/runs", f'{{"assistant_id": "steps", "checkpoint_id": {HALF}}}'),
    ("/threads/{thread_id}/runs", '{"assistant_id": "steps", "config": {"recursion_limit": "many"}}'),
    ("/threads/{thread_id}/runs", '{"assistant_id": "steps", "config": {"tags": "one"}}'),
    ("/threads/{thread_id}/runs", '{"assistant_id": "steps", "command": {"update": "text"}}'),
    ("/store/items/search", '{"namespace_prefix": [], "filter": {"a": {"$near": 1}}}'),
]

EXAMPLES = 6
ENDLESS_SECONDS = 1.0
"""A run that was accepted may take its time, and a stream may never end: then the head of the answer is enough."""


@requirement("openapi.complete")
async def test_every_route_is_documented_with_an_example_of_what_it_takes(raw: httpx.AsyncClient) -> None:
    document = (await raw.get("/openapi.json")).json()
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert len(operations) > 50
    for name, operation in operations.items():
        assert operation["tags"], name
        assert operation["summary"], name
        body = operation.get("requestBody")
        if body is not None and "/chat" not in name and "/reset" not in name and "/batch" not in name:
            reference = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert document["components"]["schemas"][reference].get("examples"), reference
    page = await raw.get("/docs")
    assert (page.status_code, "text/html" in page.headers["content-type"]) == (200, True)


@requirement("openapi.examples_are_true")
async def test_the_documented_answers_have_the_keys_of_the_real_ones(raw: httpx.AsyncClient) -> None:
    paths = (await raw.get("/openapi.json")).json()["paths"]

    def shown(path: str, method: str) -> Any:
        return paths[path][method]["responses"]["200"]["content"]["application/json"]["example"]

    thread = (await raw.post("/threads", json={})).json()
    given = {"assistant_id": "echo", "input": {"messages": "hi"}}
    run = (await raw.post(f"/threads/{thread['thread_id']}/runs", json=given)).json()
    await raw.get(f"/threads/{thread['thread_id']}/runs/{run['run_id']}/join")
    state = (await raw.get(f"/threads/{thread['thread_id']}/state")).json()
    system = {"graph_id": "echo", "metadata": {"created_by": "system"}}
    assistant = (await raw.post("/assistants/search", json=system)).json()[0]
    cron = (await raw.post("/runs/crons", json={**given, "schedule": "0 0 1 1 *"})).json()
    schemas = (await raw.get(f"/assistants/{assistant['assistant_id']}/schemas")).json()
    for path, method, real in (
        ("/threads", "post", thread),
        ("/threads/{thread_id}/runs", "post", run),
        ("/threads/{thread_id}/state", "get", state),
        ("/runs/crons", "post", cron),
        ("/assistants/{assistant_id}", "get", assistant),
        ("/assistants/{assistant_id}/schemas", "get", schemas),
    ):
        told = {key for key, item in real.items() if item is not None}
        # The document leaves out what is null; all else has to be there, and nothing that is not real.
        assert set(shown(path, method)) <= set(real), path
        assert told - set(shown(path, method)) <= {"values", "parent_checkpoint", "parent_checkpoint_id"}, path


@requirement("openapi.examples_are_true")
async def test_the_plain_routes_document_what_they_answer(raw: httpx.AsyncClient) -> None:
    paths = (await raw.get("/openapi.json")).json()["paths"]
    who = {"user_id": uuid4().hex}
    place = f"/users/{who['user_id']}"
    for method, path, asked, body in (
        ("post", "/chat", "/chat", {**who, "message": "hi", "graph": "echo"}),
        ("post", "/reset", "/reset", {**who, "graph": "echo"}),
        ("get", "/users/{user_id}/threads", f"{place}/threads", None),
        ("get", "/users/{user_id}/memory", f"{place}/memory", None),
        ("put", "/users/{user_id}/memory", f"{place}/memory", {"on": False}),
        ("delete", "/users/{user_id}/memory", f"{place}/memory", None),
        ("delete", "/users/{user_id}", place, None),
        ("get", "/health", "/health", None),
        ("get", "/ready", "/ready", None),
    ):
        answer = await raw.request(method, asked, json=body)
        assert answer.status_code == 200, (asked, answer.text)
        told = paths[path][method]["responses"]["200"]["content"]["application/json"]
        assert told.get("schema", {}) == {}, path
        assert same_form(told["example"], answer.json()), path
    failed = await raw.post("/chat", json={"message": "fail", "graph": "moody"})
    chat = paths["/chat"]["post"]["responses"]
    assert set(chat) == {"200", "404", "409", "422", "502"}
    assert set(chat["200"]["content"]) == {"application/json", "text/event-stream"}
    assert failed.status_code == 502
    assert same_form(chat["502"]["content"]["application/json"]["example"], failed.json())
    assert list(paths["/metrics"]["get"]["responses"]["200"]["content"]) == ["text/plain"]


def same_form(example: Any, answer: Any) -> bool:
    """Whether both are objects with the same keys, or lists of such; the document leaves out what is null."""
    if isinstance(example, list):
        return isinstance(answer, list) and all(same_form(example[0], one) for one in answer)
    return set(example) <= set(answer) and {key for key, item in answer.items() if item is not None} <= set(example)


@requirement("errors.json")
async def test_unknown_routes_and_methods_get_json_errors(raw: httpx.AsyncClient) -> None:
    missing = await raw.get("/no/such/route")
    assert (missing.status_code, set(missing.json())) == (404, {"detail"})
    wrong = await raw.put(f"/threads/{uuid4()}", json={})
    assert (wrong.status_code, set(wrong.json())) == (405, {"detail"})
    assert set(wrong.headers["allow"].replace(" ", "").split(",")) <= {"GET", "PATCH", "DELETE", "HEAD", "OPTIONS"}
    broken = await raw.post("/threads/search", content=b"{")
    assert (broken.status_code, "JSON" in broken.json()["detail"]) == (422, True)
    listed = await raw.post("/threads/search", json=[1])
    assert (listed.status_code, set(listed.json())) == (422, {"detail"})


@requirement("errors.odd_bodies")
@pytest.mark.parametrize(("path", "body"), ODD_BODIES)
async def test_a_body_that_nothing_can_be_made_of_is_refused_in_words(
    raw: httpx.AsyncClient, path: str, body: str
) -> None:
    thread_id = (await raw.post("/threads", json={})).json()["thread_id"]
    answer = await raw.post(path.format(thread_id=thread_id), content=body)
    assert answer.status_code == 422
    assert answer.json()["detail"]


@requirement("errors.odd_values")
async def test_values_that_json_hardly_knows_are_kept_as_well_as_can_be(raw: httpx.AsyncClient) -> None:
    thread_id = (await raw.post("/threads", json={})).json()["thread_id"]
    body = '{"assistant_id": "steps", "input": {"note": "\\ud800, \\u0000"}, "metadata": {"big": 1e20}}'
    answer = await raw.post(f"/threads/{thread_id}/runs/wait", content=body)
    assert answer.json()["note"].endswith(", \x00")
    item = '{"namespace": ["odd"], "key": "k", "value": {"big": 123456789012345678901.0, "half": "\\ud800"}}'
    assert (await raw.put("/store/items", content=item)).status_code == 204
    kept = (await raw.get("/store/items?namespace=odd&key=k")).json()["value"]
    assert abs(kept["big"] - 123456789012345678901) < 1e6


@requirement("search.select")
@pytest.mark.parametrize("kind", ["assistants", "threads", "runs/crons", "runs"])
async def test_every_field_that_rows_have_can_be_selected_and_no_other(raw: httpx.AsyncClient, kind: str) -> None:
    async def rows(select: list[str]) -> httpx.Response:
        if kind == "runs":
            return await raw.get(f"/threads/{thread['thread_id']}/runs", params={"select": select})
        return await raw.post(f"/{kind}/search", json={"select": select, "limit": 1})

    thread = (await raw.post("/threads", json={})).json()
    asked = {"assistant_id": "echo", "input": {"messages": "hi"}}
    await raw.post(f"/threads/{thread['thread_id']}/runs/wait", json=asked)
    await raw.post("/runs/crons", json={**asked, "schedule": "0 0 1 1 *", "enabled": False})
    [whole] = (await rows([])).json()
    for name in whole:
        assert (await rows([name])).json() == [{name: whole[name]}]
    refused = await rows([next(iter(whole)), "bad"])
    assert refused.status_code == 422
    assert "select" in refused.json()["detail"]


@pytest.mark.fault(30)
@pytest.mark.timeout(600)
@requirement("openapi.no_5xx")
def test_nothing_that_the_document_allows_is_answered_with_a_server_error(trial: ServerProcess) -> None:
    schema = schemathesis.openapi.from_url(f"{trial.url}/openapi.json")
    with trial.client() as client:
        thread = client.post("/threads", json={}).json()["thread_id"]
        run = client.post(f"/threads/{thread}/runs/wait", json={"assistant_id": "steps", "input": {"note": "x"}})
        known = {
            "thread_id": thread,
            "run_id": run.headers["content-location"].rpartition("/")[2],
            "assistant_id": client.post("/assistants/search", json={}).json()[0]["assistant_id"],
        }
        for operation in schema.get_all_operations():
            _try_out(operation, client, known)


def _try_out(operation: Any, client: httpx.Client, known: dict[str, str]) -> None:
    """With ids that exist as often as with ids that do not: most of a route lies behind them."""

    @seed(20261123)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.ok().as_strategy(), real=st.booleans())
    def check(case: Any, real: bool) -> None:
        if real:
            case.path_parameters.update({key: known[key] for key in case.path_parameters if key in known})
            if isinstance(case.body, dict) and "assistant_id" in case.body:
                case.body["assistant_id"] = "steps"
        sent = case.as_transport_kwargs(base_url=str(client.base_url))
        headers = {name: str(text).encode("utf-8") for name, text in (sent.get("headers") or {}).items()}
        body = {"params": sent.get("params"), "json": sent.get("json"), "timeout": ENDLESS_SECONDS}
        with client.stream(sent["method"], sent["url"], headers=headers, **body) as answer:
            assert answer.status_code < 500, (case.as_curl_command(), answer.read())

    check()
