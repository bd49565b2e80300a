"""The README's pictures of the inspector, made from the running program: `make screenshots`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.inspector.chromium import running_browser
from tests.inspector.page import Inspector
from tests.processes import ROOT, running_server

FOLDER = ROOT / "docs" / "images"
SIZE = (1180, 760)


def picture_of_a_plan(inspector: Inspector, folder: Path) -> None:
    inspector.talk("add 12 and 30, then multiply the result by 7", "294", assistant="plan_execute")
    inspector.view("Plan")
    expect(inspector.page.get_by_text("2 of 2 steps done")).to_be_visible()
    inspector.page.screenshot(path=folder / "inspector-plan.png")


def picture_of_a_search(inspector: Inspector, folder: Path) -> None:
    inspector.talk("4 9 10 13", "Answer: (10 - 4) * (13 - 9) = 24", assistant="tree_of_thought")
    inspector.view("Tree")
    expect(inspector.page.locator("[data-thought].chosen")).to_have_count(4)
    inspector.page.screenshot(path=folder / "inspector-tree.png")


def picture_of_a_trace(inspector: Inspector, folder: Path) -> None:
    inspector.talk("what is 17.5% of 2,340?", "409.5", assistant="react")
    inspector.view("Trace")
    inspector.page.locator(".waterfall .row", has_text="model").last.click()
    expect(inspector.page.locator(".call-detail")).to_contain_text("Sent: 4 messages")
    inspector.page.screenshot(path=folder / "inspector-trace.png")


def take_all(page: Page, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, running_server(Path(data) / "data") as server:
        inspector = Inspector(page, server)
        picture_of_a_trace(inspector, folder)
        picture_of_a_plan(inspector, folder)
        page.emulate_media(color_scheme="dark")
        picture_of_a_search(inspector, folder)


if __name__ == "__main__":
    with running_browser() as browser:
        take_all(browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}), FOLDER)
