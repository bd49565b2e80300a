"""The store through the SDK: items by namespace and key, filters, namespaces."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk.errors import UnprocessableEntityError

from tests.api.sdk import Sdk
from tests.api_requirements import requirement


@requirement("store.items")
async def test_an_item_is_put_got_overwritten_and_deleted(sdk: Sdk) -> None:
    namespace = ["people", uuid4().hex]
    await sdk.store.put_item(namespace, "ada", {"speaks": ["English"], "born": 1815})
    item = await sdk.store.get_item(namespace, "ada")
    assert (item["namespace"], item["key"], item["value"]) == (namespace, "ada", {"speaks": ["English"], "born": 1815})
    assert item["created_at"].endswith("+00:00")
    assert datetime.fromisoformat(item["created_at"]) == datetime.fromisoformat(item["updated_at"])
    await sdk.store.put_item(namespace, "ada", {"born": 1816})
    assert (await sdk.store.get_item(namespace, "ada"))["value"] == {"born": 1816}
    await sdk.store.delete_item(namespace, "ada")
    assert await sdk.store.get_item(namespace, "ada") is None
    await sdk.store.delete_item(namespace, "ada")


@requirement("store.search")
async def test_items_are_found_under_a_namespace_by_their_fields(sdk: Sdk) -> None:
    root = uuid4().hex
    for place, name in enumerate(("ada", "bob", "cyd")):
        await sdk.store.put_item([root, "people"], name, {"name": name, "age": 30 + place, "tall": place > 0})
    await sdk.store.put_item([root, "towns"], "rome", {"name": "rome"})
    everything = (await sdk.store.search_items([root]))["items"]
    assert {item["key"] for item in everything} == {"ada", "bob", "cyd", "rome"}
    assert all("score" in item for item in everything)
    tall = (await sdk.store.search_items([root, "people"], filter={"tall": True}))["items"]
    assert {item["key"] for item in tall} == {"bob", "cyd"}
    older = (await sdk.store.search_items([root, "people"], filter={"age": {"$gt": 31}}))["items"]
    assert [item["key"] for item in older] == ["cyd"]
    pages = [(await sdk.store.search_items([root], limit=2, offset=offset))["items"] for offset in (0, 2)]
    assert {item["key"] for page in pages for item in page} == {"ada", "bob", "cyd", "rome"}


@requirement("store.search.operators")
async def test_every_comparison_can_be_searched_with_and_an_unknown_one_is_refused(sdk: Sdk) -> None:
    root = uuid4().hex
    for number in range(4):
        await sdk.store.put_item([root], str(number), {"n": number})
    wanted = {"$eq": {2}, "$ne": {0, 1, 3}, "$gt": {3}, "$gte": {2, 3}, "$lt": {0, 1}, "$lte": {0, 1, 2}}
    for operator, numbers in wanted.items():
        found = (await sdk.store.search_items([root], filter={"n": {operator: 2}}))["items"]
        assert {item["value"]["n"] for item in found} == numbers, operator
    with pytest.raises(UnprocessableEntityError):
        await sdk.store.search_items([root], filter={"n": {"$near": 2}})


@requirement("store.namespaces")
async def test_namespaces_are_listed_by_prefix_suffix_and_depth(sdk: Sdk) -> None:
    root = uuid4().hex
    for path in (["a", "x"], ["a", "y"], ["b", "x"]):
        await sdk.store.put_item([root, *path], "k", {"v": 1})

    async def listed(**query: object) -> set[tuple[str, ...]]:
        found = await sdk.store.list_namespaces(**query)
        return {tuple(namespace[1:]) for namespace in found["namespaces"]}

    assert await listed(prefix=[root]) == {("a", "x"), ("a", "y"), ("b", "x")}
    assert await listed(prefix=[root, "a"]) == {("a", "x"), ("a", "y")}
    assert await listed(prefix=[root], suffix=["x"]) == {("a", "x"), ("b", "x")}
    assert await listed(prefix=[root], max_depth=2) == {("a",), ("b",)}
    assert await listed(prefix=[root, "*", "y"]) == {("a", "y")}
    assert len((await sdk.store.list_namespaces(prefix=[root], limit=1))["namespaces"]) == 1
    # Reading what is not there makes nothing.
    assert await sdk.store.get_item([root, "never"], "k") is None
    assert await listed(prefix=[root, "never"]) == set()


@requirement("store.namespaces.rules")
async def test_namespaces_that_cannot_be_are_refused(raw: httpx.AsyncClient) -> None:
    async def put(namespace: list[str]) -> tuple[int, str]:
        answer = await raw.put("/store/items", json={"namespace": namespace, "key": "k", "value": {}})
        return answer.status_code, answer.json()["detail"]

    assert await put([]) == (400, "Namespace cannot be empty.")
    assert (await put(["langgraph", "x"]))[0] == 400
    assert (await put(["a.b"]))[0] == 422
    assert (await put(["a", ""]))[0] == 400
    assert (await raw.get("/store/items?key=k")).status_code == 400
    wrong = await raw.put("/store/items", json={"namespace": ["a"], "key": "k", "value": "no object"})
    assert (wrong.status_code, "value" in wrong.json()["detail"]) == (422, True)


@requirement("store.items.wire")
async def test_a_get_joins_labels_with_dots_and_answers_null_for_nothing(raw: httpx.AsyncClient) -> None:
    root = uuid4().hex
    put = await raw.put("/store/items", json={"namespace": [root, "deep"], "key": "k", "value": {"v": 1}})
    assert (put.status_code, put.content) == (204, b"")
    found = await raw.get("/store/items", params={"namespace": f"{root}.deep", "key": "k"})
    assert found.json()["value"] == {"v": 1}
    missing = await raw.get("/store/items", params={"namespace": f"{root}.deep", "key": "other"})
    assert (missing.status_code, missing.json()) == (200, None)
