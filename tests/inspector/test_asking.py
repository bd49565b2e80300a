"""What an agent asks a person, answered where it is asked."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.inspector.page import Inspector


@pytest.fixture
def asked(inspector: Inspector) -> Inspector:
    """A thread that waits for a decision on 3 * 4."""
    context = {"approve_tools": ["calculator"]}
    body = {"graph_id": "react", "name": "Careful", "context": context}
    assistant = inspector.api("POST", "/assistants", body)["assistant_id"]
    inspector.open()
    inspector.page.get_by_label("Graph or assistant").select_option(assistant)
    inspector.send("what is 3 * 4?")
    expect(inspector.page.get_by_role("region", name="The agent asks")).to_contain_text("calculator")
    expect(inspector.status).to_have_text("interrupted")
    return inspector


def answer(inspector: Inspector) -> None:
    inspector.page.get_by_role("button", name="Answer and go on").click()
    expect(inspector.page.get_by_role("region", name="The agent asks")).to_be_hidden()
    expect(inspector.status).to_have_text("idle")


def test_an_action_is_approved_in_place(asked: Inspector) -> None:
    asked.page.get_by_label("Approve").check()
    answer(asked)
    expect(asked.answers.last).to_contain_text("3 * 4 = 12")


def test_an_action_is_edited_as_json_and_what_is_no_json_is_said_so(asked: Inspector) -> None:
    asked.page.get_by_label("Edit", exact=True).check()
    arguments = asked.page.get_by_label("Arguments, as JSON")
    arguments.fill("{expression")
    asked.page.get_by_role("button", name="Answer and go on").click()
    expect(asked.page.get_by_role("alert")).to_contain_text("The arguments of calculator are no JSON")
    arguments.fill('{"expression": "30 * 40"}')
    answer(asked)
    expect(asked.page.locator("details.call")).to_contain_text("1200")


def test_an_action_is_rejected_with_a_reason(asked: Inspector) -> None:
    asked.page.get_by_label("Reject").check()
    asked.page.get_by_label("Reason").fill("Use your head")
    answer(asked)
    call = asked.page.locator("details.call")
    expect(call).to_contain_text("Use your head")
    expect(call).not_to_contain_text("12")
