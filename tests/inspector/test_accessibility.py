"""For everyone: what axe-core finds, at every view, light and dark; by keyboard alone; on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.inspector.page import Inspector
from tests.npm import npm_package

AXE = "4.14.1"
EVERYTHING = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="package")
def axe() -> str:
    folder = npm_package("axe-core", AXE)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def findings(page: Page, axe: str, rules: list[str] = EVERYTHING) -> list[str]:
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate("async (rules) => await axe.run(document, {runOnly: rules})", rules)
    assert found["passes"], "the scan looked at nothing"
    return [f"{one['id']}: {[node['html'][:160] for node in one['nodes']]}" for one in found["violations"]]


@pytest.mark.parametrize(("scheme", "rules"), [("light", EVERYTHING), ("dark", ["color-contrast"])])
def test_no_view_has_a_barrier_that_axe_can_find(inspector: Inspector, axe: str, scheme: Any, rules: list[str]) -> None:
    page = inspector.page
    page.emulate_media(color_scheme=scheme)
    inspector.talk("add 12 and 30, then multiply the result by 7", "294", assistant="plan_execute")
    found = {}
    for view in ("Chat", "State", "History", "Trace", "Graph", "Plan"):
        inspector.view(view)
        if view == "History":
            page.get_by_label("Compare step 2").check()
            page.get_by_label("Compare step 5").check()
            expect(page.locator(".diff li").first).to_be_visible()
        if view == "Trace":
            page.locator(".waterfall .row", has_text="model").first.click()
            page.get_by_role("button", name="Run again from here").click()
            expect(page.get_by_label("instructions")).to_be_visible()
        if view == "Graph":
            expect(page.locator(".node.done").first).to_be_visible()
        found[view] = findings(page, axe, rules)
    inspector.open()
    inspector.send("4 9 10 13", assistant="tree_of_thought")
    inspector.view("Tree")
    expect(page.locator("[data-thought].chosen")).to_have_count(4)
    expect(inspector.status).to_have_text("idle")
    found["Tree"] = findings(page, axe, rules)
    inspector.open("assistants/new")
    expect(page.get_by_label("max_model_calls")).to_be_visible()
    found["Assistants"] = findings(page, axe, rules)
    inspector.open("memory")
    page.get_by_label("User", exact=True).fill("ada")
    page.get_by_role("button", name="Show what is remembered").click()
    expect(page.get_by_text("Memory is on.")).to_be_visible()
    found["Memory"] = findings(page, axe, rules)
    assert {view: one for view, one in found.items() if one} == {}


def test_a_question_to_a_person_has_no_barrier_either(inspector: Inspector, axe: str) -> None:
    body = {"graph_id": "react", "name": "Asking", "context": {"approve_tools": ["calculator"]}}
    assistant = inspector.api("POST", "/assistants", body)["assistant_id"]
    inspector.open()
    inspector.page.get_by_label("Graph or assistant").select_option(assistant)
    inspector.send("what is 3 * 4?")
    inspector.page.get_by_label("Edit", exact=True).check()
    assert findings(inspector.page, axe) == []


def test_a_turn_can_be_taken_by_keyboard_alone(inspector: Inspector) -> None:
    page = inspector.open().page
    page.get_by_label("Message", exact=True).focus()
    page.keyboard.type("what is 2 + 2?")
    page.keyboard.press("Enter")
    expect(inspector.answers.last).to_contain_text("2 + 2 = 4")
    expect(inspector.status).to_have_text("idle")
    tabs = page.get_by_role("navigation", name="Views of the thread")
    tabs.get_by_role("link", name="State").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="State")).to_be_visible()
    page.locator(".side summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".side details").first).not_to_have_attribute("open", "")


def test_on_a_phone_nothing_is_wider_than_the_screen(inspector: Inspector, tmp_path: Path) -> None:
    page = inspector.page
    page.set_viewport_size({"width": 360, "height": 740})
    inspector.talk("add 12 and 30, then multiply the result by 7", "294", assistant="plan_execute")
    for view in ("State", "History", "Trace", "Graph", "Plan", "Chat"):
        inspector.view(view)
        expect(page.locator(".side h2" if view != "Chat" else ".composer textarea")).to_be_in_viewport()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, view
    page.get_by_role("link", name="All threads").click()
    expect(inspector.list.first).to_be_in_viewport()
    inspector.list.first.get_by_role("link").click()
    expect(inspector.answers.last).to_contain_text("294")
