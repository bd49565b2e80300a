"""The inspector as its users handle it: by names they read, never by the insides of the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.processes import ServerProcess


@dataclass
class Inspector:
    page: Page
    server: ServerProcess
    address: str = ""
    """Where the browser finds the server, if not at the server's own address."""

    def open(self, place: str = "") -> Inspector:
        self.page.goto(f"{self.address or self.server.url}/inspect#/{place}")
        return self

    def send(self, message: str, *, assistant: str | None = None) -> None:
        if assistant is not None:
            self.page.get_by_label("Graph or assistant").select_option(label=assistant)
        self.page.get_by_label("Message", exact=True).fill(message)
        self.page.get_by_role("button", name="Send").click()

    def talk(self, message: str, answer: str, *, assistant: str | None = None) -> None:
        """One turn in a new thread, to its end."""
        self.open()
        self.send(message, assistant=assistant)
        expect(self.answers.last).to_contain_text(answer)
        expect(self.status).to_have_text("idle")

    def view(self, name: str) -> None:
        self.page.get_by_role("navigation", name="Views of the thread").get_by_role("link", name=name).click()

    @property
    def answers(self) -> Locator:
        return self.page.locator("article.message.ai")

    @property
    def questions(self) -> Locator:
        return self.page.locator("article.message.human")

    @property
    def status(self) -> Locator:
        return self.page.locator(".thread-head .badge")

    @property
    def list(self) -> Locator:
        return self.page.get_by_role("navigation", name="Threads").get_by_role("listitem")

    @property
    def thread_id(self) -> str:
        return self.page.evaluate("location.hash").split("/")[2]

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """The same server, asked without the page."""
        answer = httpx.request(method, f"{self.server.url}{path}", json=body, timeout=30)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None
