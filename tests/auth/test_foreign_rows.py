"""Every route of the API, asked by somebody whose rows they are not: nothing is there, and nothing changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.auth.conftest import People

RUN = {"assistant_id": "whoami", "input": {"note": "mine"}}


@dataclass(frozen=True)
class Foreign:
    """What the wrong user sends to a route, and what the answer must be."""

    body: dict[str, Any] | list[Any] | None = None
    query: dict[str, Any] = field(default_factory=dict)
    status: int = 404
    shows_nothing: bool = False
    """A listing: 200, with none of the owner's rows in it."""


LISTS = Foreign(status=200, shows_nothing=True)
OPEN = Foreign(status=200)
# A `{name}` in a path or a body stands for an id of something of Ada's. Every route has a row, or a test fails.
ROUTES: dict[str, Foreign] = {
    **dict.fromkeys(("GET /", "GET /ok", "GET /info", "GET /health", "GET /ready"), OPEN),
    "GET /metrics": Foreign(status=403),
    "POST /mcp": Foreign({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, status=200, shows_nothing=True),
    "POST /chat": Foreign({"message": "hello", "thread_id": "{thread_id}", "graph": "whoami"}),
    "POST /reset": Foreign({"user_id": "{user_id}"}, status=403),
    "GET /users/{user_id}/threads": Foreign(),
    "DELETE /users/{user_id}": Foreign(),
    "GET /users/{user_id}/memory": Foreign(),
    "PUT /users/{user_id}/memory": Foreign({"on": False}),
    "DELETE /users/{user_id}/memory": Foreign(),
    "POST /assistants": Foreign({"assistant_id": "{assistant_id}", "graph_id": "whoami"}, status=409),
    "POST /assistants/search": Foreign({}, status=200, shows_nothing=True),
    "POST /assistants/count": Foreign({"metadata": {"whose": "ada"}}, status=200, shows_nothing=True),
    "GET /assistants/{assistant_id}": Foreign(),
    "PATCH /assistants/{assistant_id}": Foreign({"name": "stolen"}),
    "DELETE /assistants/{assistant_id}": Foreign(),
    "POST /assistants/{assistant_id}/versions": Foreign({}),
    "POST /assistants/{assistant_id}/latest": Foreign({"version": 1}),
    "GET /assistants/{assistant_id}/graph": Foreign(),
    "GET /assistants/{assistant_id}/schemas": Foreign(),
    "GET /assistants/{assistant_id}/subgraphs": Foreign(),
    "GET /assistants/{assistant_id}/subgraphs/{namespace}": Foreign(),
    "POST /threads": Foreign({"thread_id": "{thread_id}"}, status=409),
    "POST /threads/search": Foreign({"metadata": {"whose": "ada"}}, status=200, shows_nothing=True),
    "POST /threads/count": Foreign({"metadata": {"whose": "ada"}}, status=200, shows_nothing=True),
    "POST /threads/prune": Foreign({"thread_ids": ["{thread_id}"], "strategy": "delete"}, status=200),
    "GET /threads/{thread_id}": Foreign(),
    "PATCH /threads/{thread_id}": Foreign({"metadata": {"whose": "bob"}}),
    "DELETE /threads/{thread_id}": Foreign(),
    "POST /threads/{thread_id}/copy": Foreign(),
    "GET /threads/{thread_id}/storage": Foreign(),
    "GET /threads/{thread_id}/state": Foreign(),
    "GET /threads/{thread_id}/state/{checkpoint_id}": Foreign(),
    "POST /threads/{thread_id}/state/checkpoint": Foreign({"checkpoint": {"checkpoint_id": "{checkpoint_id}"}}),
    "POST /threads/{thread_id}/state": Foreign({"values": {"note": "stolen"}}),
    "PATCH /threads/{thread_id}/state": Foreign({"metadata": {"whose": "bob"}}),
    "GET /threads/{thread_id}/history": Foreign(),
    "POST /threads/{thread_id}/history": Foreign({}),
    "GET /threads/{thread_id}/stream": Foreign(),
    "POST /threads/{thread_id}/runs": Foreign(RUN),
    "POST /threads/{thread_id}/runs/stream": Foreign(RUN),
    "POST /threads/{thread_id}/runs/wait": Foreign({**RUN, "if_not_exists": "create"}),
    "POST /runs": Foreign({**RUN, "assistant_id": "{assistant_id}"}),
    "POST /runs/stream": Foreign({**RUN, "assistant_id": "{assistant_id}"}),
    "POST /runs/wait": Foreign({**RUN, "assistant_id": "{assistant_id}"}),
    "POST /runs/batch": Foreign([{**RUN, "assistant_id": "{assistant_id}"}]),
    "POST /runs/cancel": Foreign({"thread_id": "{thread_id}", "run_ids": ["{run_id}"]}),
    "GET /threads/{thread_id}/runs": Foreign(),
    "GET /threads/{thread_id}/runs/{run_id}": Foreign(),
    "DELETE /threads/{thread_id}/runs/{run_id}": Foreign(),
    "GET /threads/{thread_id}/runs/{run_id}/join": Foreign(),
    "GET /threads/{thread_id}/runs/{run_id}/stream": Foreign(),
    "POST /threads/{thread_id}/runs/{run_id}/cancel": Foreign(),
    "GET /threads/{thread_id}/runs/{run_id}/trace": Foreign(),
    "GET /threads/{thread_id}/runs/{run_id}/feedback": Foreign(),
    "PUT /threads/{thread_id}/runs/{run_id}/feedback": Foreign({"thumb": "down", "note": "stolen"}),
    "POST /threads/{thread_id}/stream/events": Foreign({"channels": ["values"]}),
    "POST /threads/{thread_id}/commands": Foreign({"id": 1, "method": "state.get", "params": {}}),
    "GET /runs/{run_id}/stream": Foreign(),
    "GET /runs/{run_id}/join": Foreign(),
    "GET /v1/models": LISTS,
    "GET /v1/models/{model}": Foreign(),
    "POST /v1/chat/completions": Foreign({"model": "{assistant_id}", "messages": [{"role": "user", "content": "hi"}]}),
    "POST /runs/crons": Foreign({**RUN, "assistant_id": "{assistant_id}", "schedule": "0 0 1 1 *"}),
    "POST /threads/{thread_id}/runs/crons": Foreign({**RUN, "schedule": "0 0 1 1 *"}),
    "POST /runs/crons/search": Foreign({}, status=200, shows_nothing=True),
    "POST /runs/crons/count": Foreign({}, status=200, shows_nothing=True),
    "GET /runs/crons/{cron_id}": Foreign(),
    "PATCH /runs/crons/{cron_id}": Foreign({"enabled": False}),
    "DELETE /runs/crons/{cron_id}": Foreign(),
    "PUT /store/items": Foreign({"namespace": ["notes"], "key": "mine", "value": {"text": "stolen"}}, status=204),
    "GET /store/items": Foreign(query={"namespace": "private", "key": "secret"}, status=200, shows_nothing=True),
    "DELETE /store/items": Foreign({"namespace": ["private"], "key": "secret"}, status=204),
    "POST /store/items/search": Foreign({"namespace_prefix": ["private"]}, status=200, shows_nothing=True),
    "POST /store/namespaces": Foreign({"prefix": ["~owner"]}, status=200, shows_nothing=True),
}


def adas_things(ada: httpx.Client) -> dict[str, str]:
    """One of everything, and what shows whether anybody has touched it."""
    whose = {"whose": "ada"}
    thread = ada.post("/threads", json={"metadata": whose}).json()["thread_id"]
    run = ada.post(f"/threads/{thread}/runs", json=RUN).json()["run_id"]
    ada.get(f"/threads/{thread}/runs/{run}/join").raise_for_status()
    assistant = ada.post("/assistants", json={"graph_id": "whoami", "name": "ada's", "metadata": whose}).json()
    cron = ada.post("/runs/crons", json={**RUN, "schedule": "0 0 1 1 *", "metadata": whose}).json()["cron_id"]
    ada.put("/store/items", json={"namespace": ["private"], "key": "secret", "value": {"text": "adas secret"}})
    state = ada.get(f"/threads/{thread}/state").json()
    return {
        "thread_id": thread,
        "run_id": run,
        "assistant_id": assistant["assistant_id"],
        "cron_id": cron,
        "checkpoint_id": state["checkpoint"]["checkpoint_id"],
        "user_id": "ada@example.org",
        "namespace": "none",
        "model": assistant["assistant_id"],
    }


def snapshot(ada: httpx.Client, things: dict[str, str]) -> list[Any]:
    """All that Ada has, to be the same afterwards."""
    thread, run = things["thread_id"], things["run_id"]
    of_run = [f"/threads/{thread}/runs/{run}{part}" for part in ("", "/trace", "/feedback")]
    paths = (f"/threads/{thread}", f"/threads/{thread}/history", *of_run)
    kept = [ada.get(path).json() for path in (*paths, f"/assistants/{things['assistant_id']}")]
    kept.append(ada.get(f"/runs/crons/{things['cron_id']}").json())
    kept.append(ada.post("/store/items/search", json={"namespace_prefix": []}).json())
    return kept


def filled(value: Any, things: dict[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in things.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, dict):
        return {key: filled(item, things) for key, item in value.items()}
    return [filled(item, things) for item in value] if isinstance(value, list) else value


def ask(client: httpx.Client, route: str, things: dict[str, str]) -> httpx.Response:
    foreign, (method, path) = ROUTES[route], route.split(" ")
    return client.request(method, filled(path, things), json=filled(foreign.body, things), params=foreign.query)


@pytest.fixture(scope="module")
def things(people: People) -> dict[str, str]:
    return adas_things(people.ada)


def test_every_route_has_a_row(people: People) -> None:
    described = people.ada.get("/openapi.json").json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    assert routes == ROUTES.keys()


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_another_user_finds_nothing_and_changes_nothing(people: People, things: dict[str, str], route: str) -> None:
    before = snapshot(people.ada, things)
    answer = ask(people.bob, route, things)
    assert answer.status_code == ROUTES[route].status, answer.text
    for thing in (things["thread_id"], things["run_id"], things["assistant_id"], things["cron_id"], "adas secret"):
        assert thing not in answer.text or (
            answer.is_error and thing in str(answer.request.url) + str(answer.request.content)
        )
    if ROUTES[route].shows_nothing and answer.text.isdecimal():
        assert answer.json() == 0
    assert snapshot(people.ada, things) == before


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_without_a_key_only_the_open_routes_answer(people: People, things: dict[str, str], route: str) -> None:
    answer = ask(people.nobody, route, things)
    assert answer.status_code == (200 if ROUTES[route] is OPEN else 401)
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "key" in answer.json()["detail"]


def test_routes_that_do_not_exist_ask_for_a_key_too(people: People) -> None:
    assert people.nobody.get("/nothing/here").status_code == 401
    assert people.ada.get("/nothing/here").status_code == 404
    assert people.ada.get(f"/threads/{uuid4()}").status_code == 404
