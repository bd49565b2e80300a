"""Assistants with their settings, what is remembered, and the key that a server may want."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.inspector.page import Inspector
from tests.processes import run_to_end, running_server


def test_an_assistant_is_made_from_its_schema_changed_and_brought_back(inspector: Inspector) -> None:
    page = inspector.open("assistants/new").page
    page.get_by_label("Name", exact=True).fill("Frugal")
    page.get_by_label("approve_tools").fill("calculator, clock")
    page.get_by_label("max_model_calls").fill("7")
    page.get_by_label("memory", exact=True).select_option(label="summary")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Saved as version 1.")).to_be_visible()
    expect(page.get_by_role("heading", name="Frugal (react)")).to_be_visible()
    expected = {"approve_tools": ["calculator", "clock"], "max_model_calls": 7, "memory": "summary"}
    (made,) = inspector.api("POST", "/assistants/search", {"name": "Frugal"})
    assert made["context"] == expected

    page.get_by_label("max_model_calls").fill("8")
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.get_by_text("Version 2 ·")).to_be_visible()
    page.get_by_role("button", name="Use this").click()
    expect(page.get_by_text("Version 1 is in use.")).to_be_visible()
    expect(page.get_by_label("max_model_calls")).to_have_value("7")


def test_a_wrong_setting_is_refused_in_the_servers_words(inspector: Inspector) -> None:
    page = inspector.open("assistants/new").page
    page.get_by_label("Name", exact=True).fill("Broken")
    page.get_by_label("response_schema").fill("{broken")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("alert")).to_contain_text("response_schema is no JSON")
    assert inspector.api("POST", "/assistants/search", {"name": "Broken"}) == []


def test_what_is_remembered_is_seen_edited_and_forgotten(inspector: Inspector) -> None:
    place = ["users", "grace%2Ehopper", "preferences"]
    for key in ("language", "tea"):
        inspector.api("PUT", "/store/items", {"namespace": place, "key": key, "value": {"value": "green"}})
    page = inspector.open("memory").page
    page.get_by_role("button", name="users / grace.hopper / preferences").click()
    page.get_by_label("language").fill(json.dumps({"value": "English"}))
    page.locator("form.item").filter(has=page.get_by_label("language")).get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved: language.")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("form.item").filter(has=page.get_by_label("tea")).get_by_role("button", name="Forget").click()
    expect(page.get_by_label("tea")).to_have_count(0)
    found = inspector.api("POST", "/store/items/search", {"namespace_prefix": place})["items"]
    assert {item["key"]: item["value"] for item in found} == {"language": {"value": "English"}}


def test_what_is_remembered_of_one_user_is_shown_switched_off_and_forgotten(inspector: Inspector) -> None:
    inspector.api("POST", "/chat", {"message": "Remember that my tea is green.", "user_id": "eve@home"})
    place = ["users", "eve%40home", "notes"]
    inspector.api("PUT", "/store/items", {"namespace": place, "key": "plan", "value": {"text": "sail away"}})
    page = inspector.open("memory").page
    section = page.get_by_role("region", name="Of one user")
    section.get_by_label("User", exact=True).fill("eve@home")
    section.get_by_role("button", name="Show what is remembered").click()
    expect(section).to_contain_text("Memory is on.")
    expect(section).to_contain_text("plan")
    section.get_by_role("button", name="Switch off").click()
    expect(section).to_contain_text("Memory is off")
    assert inspector.api("GET", "/users/eve@home/memory")["on"] is False
    page.on("dialog", lambda dialog: dialog.accept())
    section.get_by_role("button", name="Forget everything").click()
    expect(section).to_contain_text("Nothing is remembered.")
    assert inspector.api("POST", "/store/items/search", {"namespace_prefix": place})["items"] == []


def test_a_server_that_wants_a_key_is_given_one(page: Page, data_dir: Path) -> None:
    made = run_to_end("keys", "new", "ada", "--data", str(data_dir))
    key = next(word for word in made.stdout.split() if word.startswith("tk_"))
    with running_server(data_dir, environment={"API_KEYS": "1"}) as server:
        page.goto(f"{server.url}/inspect")
        page.get_by_label("API key").fill("tk_wrong")
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator("dialog .refusal")).to_be_visible()
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Use this key").click()
        inspector = Inspector(page, server)
        expect(page.get_by_role("heading", name="New thread")).to_be_visible()
        inspector.send("what is 2 + 2?", assistant="react")
        expect(inspector.answers.last).to_contain_text("2 + 2 = 4")
