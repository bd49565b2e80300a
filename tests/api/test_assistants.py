"""Assistants through the SDK: made, found, versioned, described, removed."""

from __future__ import annotations

from uuid import UUID, uuid4, uuid5

import httpx
import pytest
from langgraph_sdk.errors import BadRequestError, ConflictError, NotFoundError, UnprocessableEntityError

from tests.api.sdk import Sdk
from tests.api_requirements import requirement

SYSTEM_NAMESPACE = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
ECHO_ID = str(uuid5(SYSTEM_NAMESPACE, "echo"))


@requirement("assistants.create")
async def test_a_new_assistant_is_version_one_and_untitled_unless_named(sdk: Sdk) -> None:
    made = await sdk.assistants.create("echo", metadata={"team": "a"}, description="for tests")
    assert (made["graph_id"], made["version"], made["name"]) == ("echo", 1, "Untitled")
    assert (made["metadata"], made["description"], made["config"], made["context"]) == (
        {"team": "a"},
        "for tests",
        {},
        {},
    )
    assert await sdk.assistants.get(made["assistant_id"]) == made
    with pytest.raises(NotFoundError, match="not found"):
        await sdk.assistants.create("no-such-graph")


@requirement("assistants.create.exists")
async def test_a_taken_assistant_id_is_a_conflict_unless_told_to_do_nothing(sdk: Sdk) -> None:
    wanted = str(uuid4())
    made = await sdk.assistants.create("echo", assistant_id=wanted, name="first")
    with pytest.raises(ConflictError, match="already exists"):
        await sdk.assistants.create("echo", assistant_id=wanted)
    assert await sdk.assistants.create("slow", assistant_id=wanted, if_exists="do_nothing", name="second") == made
    with pytest.raises(UnprocessableEntityError, match="UUID"):
        await sdk.assistants.create("echo", assistant_id="mine")


@requirement("assistants.create.context")
async def test_context_and_configurable_are_two_names_of_the_same_values(sdk: Sdk) -> None:
    made = await sdk.assistants.create("configured", context={"tone": "warm"})
    assert made["config"]["configurable"] == made["context"] == {"tone": "warm"}
    older = await sdk.assistants.create("configured", {"configurable": {"tone": "dry"}, "tags": ["x"]})
    assert (older["context"], older["config"]["tags"]) == ({"tone": "dry"}, ["x"])
    with pytest.raises(BadRequestError, match="not both"):
        await sdk.assistants.create("configured", {"configurable": {"tone": "dry"}}, context={"tone": "warm"})


@requirement("assistants.search", "assistants.count")
async def test_assistants_are_found_by_graph_name_and_metadata_with_a_true_total(
    sdk: Sdk, raw: httpx.AsyncClient
) -> None:
    mark = uuid4().hex
    for place in range(5):
        await sdk.assistants.create(
            "echo", name=f"Found-{mark}-{place}", metadata={"mark": mark, "odd": place % 2 == 1}
        )
    names = [f"Found-{mark}-{place}" for place in range(5)]
    found = await sdk.assistants.search(metadata={"mark": mark}, sort_by="name", sort_order="asc")
    assert [one["name"] for one in found] == names
    assert len(await sdk.assistants.search(name=f"found-{mark}")) == 5
    assert len(await sdk.assistants.search(metadata={"mark": mark, "odd": True}, graph_id="echo")) == 2
    assert await sdk.assistants.search(metadata={"mark": mark}, graph_id="slow") == []
    assert await sdk.assistants.count(metadata={"mark": mark}) == 5
    assert await sdk.assistants.count(name=f"found-{mark}-3", graph_id="echo") == 1
    picked = await sdk.assistants.search(metadata={"mark": mark}, select=["name"], limit=1)
    assert [set(one) for one in picked] == [{"name"}]
    page = await sdk.assistants.search(metadata={"mark": mark}, limit=2, offset=1, response_format="object")
    assert (len(page["assistants"]), page["next"]) == (2, "3")
    answer = await raw.post("/assistants/search", json={"metadata": {"mark": mark}, "limit": 2, "offset": 4})
    assert answer.headers["x-pagination-total"] == "5"
    assert "x-pagination-next" not in answer.headers


@requirement("assistants.get.id")
async def test_an_assistant_is_got_by_its_uuid_only(sdk: Sdk) -> None:
    with pytest.raises(UnprocessableEntityError, match="Invalid assistant ID: must be a UUID"):
        await sdk.assistants.get("echo")
    with pytest.raises(NotFoundError, match="not found"):
        await sdk.assistants.get(str(uuid4()))


@requirement("assistants.update", "assistants.versions", "assistants.latest")
async def test_updates_make_versions_and_any_of_them_can_be_restored_whole(sdk: Sdk) -> None:
    made = await sdk.assistants.create("configured", context={"tone": "warm"}, metadata={"a": 1}, name="One")
    key = made["assistant_id"]
    second = await sdk.assistants.update(key, context={"tone": "dry"}, metadata={"b": 2}, name="Two")
    assert (second["version"], second["metadata"], second["name"]) == (2, {"a": 1, "b": 2}, "Two")
    assert second["config"]["configurable"] == second["context"] == {"tone": "dry"}
    third = await sdk.assistants.update(key, graph_id="echo", description="echoes")
    assert (third["version"], third["graph_id"], third["name"]) == (3, "echo", "Two")
    versions = await sdk.assistants.get_versions(key)
    assert [one["version"] for one in versions] == [3, 2, 1]
    assert all("updated_at" not in one for one in versions)
    assert [one["version"] for one in await sdk.assistants.get_versions(key, limit=1, offset=1)] == [2]
    assert [one["version"] for one in await sdk.assistants.get_versions(key, metadata={"b": 2})] == [3, 2]
    back = await sdk.assistants.set_latest(key, 1)
    assert (back["version"], back["graph_id"], back["name"], back["metadata"]) == (1, "configured", "One", {"a": 1})
    assert back["config"]["configurable"] == back["context"] == {"tone": "warm"}
    assert (await sdk.assistants.update(key, name="Four"))["version"] == 4
    with pytest.raises(NotFoundError, match=f"Version 99 not found for assistant {key}"):
        await sdk.assistants.set_latest(key, 99)
    with pytest.raises(NotFoundError):
        await sdk.assistants.update(key, graph_id="no-such-graph")


@requirement("assistants.delete")
async def test_a_deleted_assistant_is_gone_and_takes_its_threads_along_if_asked(sdk: Sdk) -> None:
    kept, removed = [await sdk.assistants.create("echo") for _ in range(2)]
    threads = []
    for assistant in (kept, removed):
        thread = await sdk.threads.create()
        await sdk.runs.wait(thread["thread_id"], assistant["assistant_id"], input={"messages": "hi"})
        threads.append(thread["thread_id"])
    await sdk.assistants.delete(kept["assistant_id"])
    await sdk.assistants.delete(removed["assistant_id"], delete_threads=True)
    with pytest.raises(NotFoundError):
        await sdk.assistants.get(kept["assistant_id"])
    assert (await sdk.threads.get(threads[0]))["values"]["messages"][-1]["content"] == "echo: hi"
    with pytest.raises(NotFoundError):
        await sdk.threads.get(threads[1])
    with pytest.raises(NotFoundError):
        await sdk.assistants.delete(str(uuid4()))


@requirement("assistants.system.ids", "assistants.system.kept")
async def test_system_assistants_have_fixed_ids_and_stay(sdk: Sdk) -> None:
    system = await sdk.assistants.search(metadata={"created_by": "system"}, limit=100)
    assert {one["assistant_id"] for one in system} >= {
        str(uuid5(SYSTEM_NAMESPACE, name)) for name in ("echo", "slow", "nested")
    }
    echo = await sdk.assistants.get(ECHO_ID)
    assert (echo["name"], echo["graph_id"], echo["version"]) == ("echo", "echo", 1)
    with pytest.raises(ConflictError, match="cannot be deleted"):
        await sdk.assistants.delete(ECHO_ID, delete_threads=True)
    assert await sdk.assistants.get(ECHO_ID) == echo


@requirement("assistants.graph")
async def test_a_graph_is_drawn_by_id_or_name_and_into_its_subgraphs(sdk: Sdk, raw: httpx.AsyncClient) -> None:
    drawn = await sdk.assistants.get_graph("nested")
    assert {node["id"] for node in drawn["nodes"]} == {"__start__", "sub", "__end__"}
    assert {"id": "sub", "type": "runnable", "data": {"name": "sub"}} in drawn["nodes"]
    assert {"source": "__start__", "target": "sub"} in drawn["edges"]
    assert await sdk.assistants.get_graph(str(uuid5(SYSTEM_NAMESPACE, "nested"))) == drawn
    deep = {node["id"] for node in (await sdk.assistants.get_graph("nested", xray=True))["nodes"]}
    assert {"sub:inner_a", "sub:inner_b"} <= deep
    assert "sub:inner_a" in {node["id"] for node in (await sdk.assistants.get_graph("nested", xray=1))["nodes"]}
    assert (await raw.get("/assistants/nested/graph?xray=0")).status_code == 422
    assert (await raw.get("/assistants/no-such-graph/graph")).status_code == 404


@requirement("assistants.schemas")
async def test_schemas_describe_what_a_graph_takes_and_holds(sdk: Sdk) -> None:
    schemas = await sdk.assistants.get_schemas(str(uuid5(SYSTEM_NAMESPACE, "configured")))
    assert schemas["graph_id"] == "configured"
    assert set(schemas["state_schema"]["properties"]) == {"tone", "limit", "seen"}
    assert set(schemas["context_schema"]["properties"]) == {"tone", "limit"}
    nested = await sdk.assistants.get_schemas(str(uuid5(SYSTEM_NAMESPACE, "nested")))
    assert nested["input_schema"]["properties"]["text"]["type"] == "string"
    assert nested["context_schema"] is None
    with pytest.raises(UnprocessableEntityError, match="UUID"):
        await sdk.assistants.get_schemas("nested")


@requirement("assistants.schemas")
async def test_every_served_graph_has_schemas(sdk: Sdk, shipped_sdk: Sdk) -> None:
    for client in (sdk, shipped_sdk):
        for assistant in await client.assistants.search(metadata={"created_by": "system"}, limit=100):
            if assistant["graph_id"] in ("by_thread", "unsteady"):
                continue  # their factories need what only a run has
            schemas = await client.assistants.get_schemas(assistant["assistant_id"])
            assert all(schemas[key]["type"] == "object" for key in ("input_schema", "output_schema", "state_schema"))


@requirement("assistants.subgraphs")
async def test_subgraphs_are_listed_by_namespace(sdk: Sdk) -> None:
    key = str(uuid5(SYSTEM_NAMESPACE, "nested"))
    found = await sdk.assistants.get_subgraphs(key)
    assert set(found) == {"sub"}
    assert set(found["sub"]["state_schema"]["properties"]) == {"text", "secret"}
    assert set(await sdk.assistants.get_subgraphs(key, namespace="sub", recurse=True)) == {"sub"}
    assert await sdk.assistants.get_subgraphs(key, namespace="nowhere") == {}


@requirement("assistants.run_by_name_or_id", "assistants.context_reaches_nodes")
async def test_an_assistants_context_reaches_its_runs_and_the_runs_own_wins(sdk: Sdk) -> None:
    assistant = await sdk.assistants.create("configured", context={"tone": "warm", "limit": 7})
    key = assistant["assistant_id"]
    for_ada = {"configurable": {"user_id": "ada"}}
    loud = await sdk.runs.wait(None, "configured", input={}, context={"tone": "loud"}, config=for_ada)
    assert loud["tone"] == "loud"
    plain = await sdk.runs.wait(None, "configured", input={})
    assert (plain["tone"], plain["limit"]) == ("plain", 3)
    assert (await sdk.runs.wait(None, str(uuid5(SYSTEM_NAMESPACE, "configured")), input={}))["tone"] == "plain"
    own = await sdk.runs.wait(None, key, input={})
    assert (own["tone"], own["limit"], own["seen"]["tone"]) == ("warm", 7, "warm")
    given = await sdk.runs.wait(None, key, input={}, context={"tone": "dry"})
    assert (given["tone"], given["limit"], given["seen"]["tone"]) == ("dry", 7, "dry")
    older = await sdk.runs.wait(None, key, input={}, config={"configurable": {"tone": "cool"}})
    assert (older["tone"], older["limit"]) == ("cool", 7)
    assert (older["seen"]["graph_id"], older["seen"]["assistant_id"]) == ("configured", key)
