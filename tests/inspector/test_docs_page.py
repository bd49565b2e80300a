"""The API's documentation in a browser that reaches this server and nothing else."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.api_requirements import requirement
from tests.processes import ServerProcess


@requirement("openapi.page")
def test_the_page_shows_every_route_without_asking_anybody_else(page: Page, shipped: ServerProcess) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{shipped.url}/docs")
    chat = page.locator(".opblock", has=page.locator('[data-path="/chat"]'))
    expect(chat).to_be_visible()
    own = urlsplit(shipped.url).netloc
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {own}


def test_a_route_is_tried_out_from_the_page(page: Page, shipped: ServerProcess) -> None:
    page.goto(f"{shipped.url}/docs")
    health = page.locator(".opblock", has=page.locator('[data-path="/health"]'))
    health.locator(".opblock-summary-control").click()
    health.get_by_role("button", name="Try it out").click()
    health.get_by_role("button", name="Execute").click()
    expect(health.locator(".live-responses-table")).to_contain_text("alive")
