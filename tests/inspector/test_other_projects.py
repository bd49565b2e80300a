"""Other people's graphs and settings: no messages, questions of any form, a prefix before every path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.inspector.page import Inspector
from tests.processes import ROOT, ServerProcess, running_server


@pytest.fixture
def foreign(page: Page, trial: ServerProcess) -> Inspector:
    return Inspector(page, trial)


def test_a_graph_without_messages_takes_its_input_as_json(foreign: Inspector) -> None:
    page = foreign.open().page
    page.get_by_label("Graph or assistant").select_option(label="steps")
    expect(page.get_by_role("checkbox", name="input as JSON")).to_be_checked()
    field = page.get_by_label("Input as JSON", exact=True)
    field.fill("{path")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("The input is no JSON")
    expect(field).to_have_value("{path")
    field.fill('{"path": ["here"]}')
    page.get_by_role("button", name="Send").click()
    foreign.view("State")
    expect(page.locator(".side")).to_contain_text("third")


def test_a_question_of_any_form_is_answered_in_words_or_json(foreign: Inspector) -> None:
    page = foreign.open().page
    page.get_by_label("Graph or assistant").select_option(label="asking")
    page.get_by_label("Input as JSON", exact=True).fill('{"topic": "cats"}')
    page.get_by_role("button", name="Send").click()
    asks = page.get_by_role("region", name="The agent asks")
    expect(asks).to_contain_text("first about cats?")
    asks.get_by_label("Answer: JSON, or text").fill("yes please")
    asks.get_by_role("button", name="Answer and go on").click()
    expect(asks).to_contain_text("second?")
    asks.get_by_label("Answer: JSON, or text").fill('{"times": 2}')
    asks.get_by_role("button", name="Answer and go on").click()
    expect(foreign.status).to_have_text("idle")
    values = foreign.api("GET", f"/threads/{foreign.thread_id}/state")["values"]
    assert values == {"topic": "cats", "first": "yes please", "second": {"times": 2}}


def test_the_inside_of_a_subgraph_is_drawn_and_looked_into_step_by_step(foreign: Inspector) -> None:
    page = foreign.open().page
    page.get_by_label("Graph or assistant").select_option(label="nested")
    page.get_by_label("Input as JSON", exact=True).fill('{"text": "why?"}')
    page.get_by_role("button", name="Send").click()
    asks = page.get_by_role("region", name="The agent asks")
    expect(asks).to_contain_text("really?")
    side = page.locator(".side")
    foreign.view("State")
    side.get_by_text("Inside sub").click()
    expect(side.locator(".inside")).to_contain_text("next: inner_b")
    expect(side.locator(".inside")).to_contain_text("inner why?")

    asks.get_by_label("Answer: JSON, or text").fill("indeed")
    asks.get_by_role("button", name="Answer and go on").click()
    expect(foreign.status).to_have_text("idle")
    foreign.view("History")
    side.get_by_role("button", name="Step 0").last.click()
    side.get_by_text("Inside sub").click()
    expect(side.locator(".inside details").first).to_contain_text("inner why? indeed")

    foreign.view("Graph")
    expect(page.locator('[data-node="sub"]')).to_be_visible()
    page.get_by_label("look inside subgraphs").check()
    expect(page.locator('[data-node="sub:inner_b"]')).to_be_visible()
    expect(page.locator('[data-node="sub"]')).to_have_count(0)
    foreign.view("Trace")
    expect(page.locator(".waterfall .row", has_text="inner_b").first).to_be_visible()


def test_a_failed_run_says_why_also_after_a_reload(foreign: Inspector) -> None:
    page = foreign.open().page
    page.get_by_label("Graph or assistant").select_option(label="failing")
    page.get_by_label("Input as JSON", exact=True).fill('{"how": "raise"}')
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".chat .status")).to_have_text("The run failed: boom on purpose")
    expect(foreign.status).to_have_text("error")
    page.reload()
    expect(page.locator(".chat .status")).to_have_text("The run failed: boom on purpose")


def test_it_works_below_a_prefix(page: Page, data_dir: Path, tmp_path: Path) -> None:
    config = tmp_path / "langgraph.json"
    graphs = {"echo": str(ROOT / "tests/projects/trial/trial_graphs/echo.py:graph")}
    config.write_text(json.dumps({"dependencies": ["."], "graphs": graphs, "http": {"mount_prefix": "/agents"}}))
    with running_server(data_dir, config=config) as server:
        assert f"Inspector {server.url}/agents/inspect" in server.banner
        inspector = Inspector(page, server, address=f"{server.url}/agents").open()
        inspector.send("hello")
        expect(inspector.answers.last).to_contain_text("hello")
