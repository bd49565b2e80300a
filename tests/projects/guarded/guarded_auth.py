"""A project's own rules: teams share their threads, and only their leads delete them."""

from __future__ import annotations

from typing import Any

from langgraph_sdk import Auth

PEOPLE = {"ada": ("red", ["lead"]), "bob": ("red", []), "eve": ("blue", ["lead"])}

auth = Auth()
names_only = Auth()


@names_only.authenticate
async def named(headers: dict[bytes, bytes]) -> str:
    name = headers.get(b"x-name", b"").decode()
    if not name:
        raise Auth.exceptions.HTTPException(401, "Say your name")
    return name


@auth.authenticate
async def authenticate(authorization: str | None, path: str, method: str) -> dict[str, Any]:
    name = (authorization or "").removeprefix("Bearer ")
    if name not in PEOPLE:
        raise Auth.exceptions.HTTPException(401, f"Nobody may {method} {path} as {name or 'nobody'}")
    team, permissions = PEOPLE[name]
    return {"identity": name, "permissions": permissions, "team": team}


@auth.on.threads
async def team_threads(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> dict[str, Any]:
    value.setdefault("metadata", {})["team"] = ctx.user["team"]
    return {"team": ctx.user["team"]}


@auth.on.threads.delete
async def leads_delete(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> Any:
    return {"team": {"$eq": ctx.user["team"]}} if "lead" in ctx.permissions else False


@auth.on.assistants.create
async def nobody_makes_assistants(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> bool:
    return False


@auth.on.store
async def team_store(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> None:
    namespace = tuple(value["namespace"] or ())
    value["namespace"] = (ctx.user["team"], *namespace)
