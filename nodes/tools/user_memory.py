"""What a user wants remembered beyond one thread: preferences and notes, in the LangGraph store.

Items lie under `("users", <user>, "preferences")` and `("users", <user>, "notes")`, where `<user>` is the run's user
id percent-encoded, so that any id makes one label and no two ids share one. Only the run's own user is ever reached:
the id comes from the run's configuration, never from the model. A user who switched memory off has
`{"on": false}` under `("users", <user>, "settings")`, key "memory".
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException, tool
from langgraph.config import get_store
from langgraph.store.base import BaseStore, SearchItem

ANONYMOUS = "anonymous"
MEMORY_KINDS = ("preferences", "notes")
ALL_KINDS = (*MEMORY_KINDS, "settings")
MOST_ITEMS = 200
SHOWN_ITEMS = 50
"""Preferences put before the model; more would crowd every prompt."""


def namespace(user_id: str, kind: str) -> tuple[str, str, str]:
    """Where a user's items of a kind lie. Labels may hold no dot, and a lone surrogate has no encoding."""
    return ("users", quote(user_id, safe="", errors="replace").replace(".", "%2E") or "%", kind)


def user_of(config: RunnableConfig) -> str | None:
    """The id of the user the run belongs to."""
    user = config.get("configurable", {}).get("user_id")
    return str(user) if user else None


async def known(store: BaseStore | None, config: RunnableConfig) -> str:
    """The user's preferences as lines for the prompt; empty when there are none, no user, or no store."""
    user = user_of(config)
    if store is None or user is None or not await _is_on(store, user):
        return ""
    items = await store.asearch(namespace(user, "preferences"), limit=SHOWN_ITEMS)
    return "\n".join(f"{item.key}: {item.value.get('value')}" for item in sorted(items, key=lambda item: item.key))


@tool
async def remember(key: str, value: str, config: RunnableConfig) -> str:
    """Remember a fact or wish of the user for all later conversations, under a short key such as "name"."""
    await _put(config, "preferences", key, {"value": value})
    return f"Remembered: {key} = {value}"


@tool
async def list_remembered(config: RunnableConfig) -> str:
    """List everything remembered about the user."""
    items = await _items(config, "preferences")
    return "\n".join(f"{item.key}: {item.value.get('value')}" for item in items) or "Nothing is remembered."


@tool
async def forget(key: str, config: RunnableConfig) -> str:
    """Forget what is remembered under one key."""
    return await _delete(config, "preferences", key)


@tool
async def forget_everything(config: RunnableConfig) -> str:
    """Forget everything remembered about the user and delete all notes."""
    return f"Forgotten: {await forget_all(*_place(config))} items."


@tool
async def switch_memory(on: bool, config: RunnableConfig) -> str:
    """Switch remembering on or off for the user, in all conversations; what is stored stays until it is forgotten."""
    await switch(*_place(config), on)
    return f"Memory is switched {'on' if on else 'off'}."


@tool
async def write_note(title: str, text: str, config: RunnableConfig) -> str:
    """Write a note for the user, or replace the one of that title."""
    await _put(config, "notes", title, {"text": text})
    return f"Noted: {title}"


@tool
async def read_notes(about: str, config: RunnableConfig) -> str:
    """Read the user's notes that hold a word; an empty word reads all of them."""
    items = await _items(config, "notes")
    found = [f"# {item.key}\n{item.value.get('text')}" for item in items]
    return "\n\n".join(note for note in found if about.lower() in note.lower()) or "There is no such note."


@tool
async def delete_note(title: str, config: RunnableConfig) -> str:
    """Delete the user's note of that title."""
    return await _delete(config, "notes", title)


USER_MEMORY: tuple[BaseTool, ...] = (
    remember,
    list_remembered,
    forget,
    forget_everything,
    switch_memory,
    write_note,
    read_notes,
    delete_note,
)
"""To remember, list and forget preferences, to write, read and delete notes, and to switch all that off."""


async def everything_of(store: BaseStore, user: str) -> dict[str, Any]:
    """What is remembered of a user, as JSON: `on`, and `preferences` and `notes` by key."""
    found: dict[str, Any] = {"on": await _is_on(store, user)}
    for kind in MEMORY_KINDS:
        items = await store.asearch(namespace(user, kind), limit=MOST_ITEMS)
        found[kind] = {item.key: item.value for item in items}
    return found


async def forget_all(store: BaseStore, user: str) -> int:
    """Forget a user's preferences and notes; how many there were."""
    count = 0
    for kind in MEMORY_KINDS:
        while items := await store.asearch(namespace(user, kind), limit=MOST_ITEMS):
            for item in items:
                await store.adelete(item.namespace, item.key)
            count += len(items)
    return count


async def switch(store: BaseStore, user: str, on: bool) -> None:
    """Have a user's memory read and written from now on, or not."""
    await store.aput(namespace(user, "settings"), "memory", {"on": on})


async def _is_on(store: BaseStore, user: str) -> bool:
    setting = await store.aget(namespace(user, "settings"), "memory")
    return setting is None or setting.value.get("on") is not False


def _place(config: RunnableConfig) -> tuple[BaseStore, str]:
    user = user_of(config)
    try:
        store = get_store()
    except (RuntimeError, KeyError):
        store = None  # run outside a graph
    if store is None:
        raise ToolException("there is no long-term memory here: the server has no store")
    if user is None:
        raise ToolException("there is no long-term memory without a user id")
    return store, user


async def _items(config: RunnableConfig, kind: str) -> list[SearchItem]:
    store, user = _place(config)
    return sorted(await store.asearch(namespace(user, kind), limit=MOST_ITEMS), key=lambda item: item.key)


async def _put(config: RunnableConfig, kind: str, key: str, value: dict[str, Any]) -> None:
    store, user = _place(config)
    if not key.strip():
        raise ToolException("the key is empty")
    if not await _is_on(store, user):
        raise ToolException("the user has switched memory off: nothing is kept")
    if len(await _items(config, kind)) >= MOST_ITEMS:
        raise ToolException(f"there are {MOST_ITEMS} items already: forget some first")
    dated = {**value, "source": "agent", "updated_at": datetime.now(UTC).isoformat(timespec="seconds")}
    await store.aput(namespace(user, kind), key.strip(), dated)


async def _delete(config: RunnableConfig, kind: str, key: str) -> str:
    store, user = _place(config)
    if await store.aget(namespace(user, kind), key.strip()) is None:
        raise ToolException(f"there is nothing under {key!r}")
    await store.adelete(namespace(user, kind), key.strip())
    return f"Forgotten: {key}"
