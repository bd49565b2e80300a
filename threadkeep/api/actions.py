"""What each route is about, in the words of `langgraph_sdk.Auth`: the resource, and the action on it.

A route that is not named here does not start: nothing is served before somebody has said who may use it.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, NamedTuple

from starlette._utils import get_route_path
from starlette.types import Scope

from threadkeep.web import DOCS_FILES
from threadkeep.web import FILES as INSPECTOR_FILES


class Action(NamedTuple):
    resource: Literal["assistants", "threads", "crons", "store"]
    name: str


class Access(Enum):
    """Who may use a route that is about no resource."""

    OPEN = "anybody, unasked: it tells nothing of anyone's threads"
    OPERATOR = "whoever runs the server: a key with the scope `admin`, once there are keys"
    KNOWN = "anybody who has said who they are; the route looks after its own rows"


Rule = Action | Access


def _actions(resource: Literal["assistants", "threads", "crons", "store"], **routes: str) -> dict[str, Rule]:
    return {route: Action(resource, name) for name, listed in routes.items() for route in listed.split("\n") if route}


RULES: dict[str, Rule] = {
    **dict.fromkeys(("GET /", "GET /ok", "GET /info", "GET /health", "GET /ready", "GET /openapi.json"), Access.OPEN),
    **dict.fromkeys((f"GET {path}" for path in (*INSPECTOR_FILES, *DOCS_FILES)), Access.OPEN),
    "GET /metrics": Access.OPERATOR,
    "POST /mcp": Access.KNOWN,
    **dict.fromkeys(
        ("POST /chat", "POST /reset", "GET /users/{user_id}/threads", "DELETE /users/{user_id}"),
        Access.KNOWN,
    ),
    **dict.fromkeys((f"{method} /users/{{user_id}}/memory" for method in ("GET", "PUT", "DELETE")), Access.KNOWN),
    **_actions(
        "assistants",
        create="POST /assistants",
        search="POST /assistants/search\nPOST /assistants/count\nGET /v1/models",
        read="GET /assistants/{assistant_id}\nPOST /assistants/{assistant_id}/versions\n"
        "GET /assistants/{assistant_id}/graph\nGET /assistants/{assistant_id}/schemas\n"
        "GET /assistants/{assistant_id}/subgraphs\nGET /assistants/{assistant_id}/subgraphs/{namespace}\n"
        "GET /v1/models/{model}",
        update="PATCH /assistants/{assistant_id}\nPOST /assistants/{assistant_id}/latest",
        delete="DELETE /assistants/{assistant_id}",
    ),
    **_actions(
        "threads",
        create="POST /threads\nPOST /threads/{thread_id}/copy",
        search="POST /threads/search\nPOST /threads/count",
        read="GET /threads/{thread_id}\nGET /threads/{thread_id}/storage\nGET /threads/{thread_id}/state\n"
        "GET /threads/{thread_id}/state/{checkpoint_id}\nPOST /threads/{thread_id}/state/checkpoint\n"
        "GET /threads/{thread_id}/history\nPOST /threads/{thread_id}/history\nGET /threads/{thread_id}/stream\n"
        "GET /threads/{thread_id}/runs\nGET /threads/{thread_id}/runs/{run_id}\n"
        "GET /threads/{thread_id}/runs/{run_id}/join\nGET /threads/{thread_id}/runs/{run_id}/stream\n"
        "GET /threads/{thread_id}/runs/{run_id}/trace\nGET /threads/{thread_id}/runs/{run_id}/feedback\n"
        "GET /runs/{run_id}/stream\nGET /runs/{run_id}/join\nPOST /threads/{thread_id}/stream/events\n"
        "POST /threads/{thread_id}/commands",
        update="PATCH /threads/{thread_id}\nPOST /threads/{thread_id}/state\nPATCH /threads/{thread_id}/state\n"
        "POST /threads/{thread_id}/runs/{run_id}/cancel\nPOST /runs/cancel\n"
        "PUT /threads/{thread_id}/runs/{run_id}/feedback",
        delete="DELETE /threads/{thread_id}\nPOST /threads/prune\nDELETE /threads/{thread_id}/runs/{run_id}",
        create_run="POST /threads/{thread_id}/runs\nPOST /threads/{thread_id}/runs/stream\n"
        "POST /threads/{thread_id}/runs/wait\nPOST /runs\nPOST /runs/stream\nPOST /runs/wait\nPOST /runs/batch\n"
        "POST /v1/chat/completions",
    ),
    **_actions(
        "crons",
        create="POST /runs/crons\nPOST /threads/{thread_id}/runs/crons",
        search="POST /runs/crons/search\nPOST /runs/crons/count",
        read="GET /runs/crons/{cron_id}",
        update="PATCH /runs/crons/{cron_id}",
        delete="DELETE /runs/crons/{cron_id}",
    ),
    **_actions(
        "store",
        put="PUT /store/items",
        get="GET /store/items",
        delete="DELETE /store/items",
        search="POST /store/items/search",
        list_namespaces="POST /store/namespaces",
    ),
}


def rule_of(method: str, path: str) -> Rule:
    """The rule of one route; one that has none does not start."""
    route = f"{method} {path}"
    assert route in RULES, f"threadkeep/api/actions.py does not say who may use {route}"
    return RULES[route]


def is_open(scope: Scope) -> bool:
    """Whether a request goes where anybody may, unasked."""
    if scope["type"] != "http":
        return False
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return method == "OPTIONS" or f"{method} {get_route_path(scope)}" in _OPEN_ROUTES


_OPEN_ROUTES = frozenset(route for route, rule in RULES.items() if rule is Access.OPEN)
