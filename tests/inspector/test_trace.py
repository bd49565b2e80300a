"""The trace of a run: its calls on a time axis, each to be opened; an opinion of it; and the run once more, changed."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.inspector.page import Inspector
from tests.processes import ServerProcess

HOSTILE = 'what is 2 + 2? <img src=x onerror="document.title=1"> <script>document.title=2</script>'


def rows(inspector: Inspector, kind: str = "") -> Locator:
    return inspector.page.locator(".waterfall .row").filter(has=inspector.page.locator(".kind", has_text=kind))


def detail(inspector: Inspector) -> Locator:
    return inspector.page.locator(".call-detail")


def test_calls_stand_on_a_time_axis_and_open_to_what_was_exactly_sent_and_answered(inspector: Inspector) -> None:
    inspector.talk("what is 17 * 3?", "51", assistant="react")
    inspector.view("Trace")
    expect(inspector.page.get_by_role("status").filter(has_text="2 model calls · 1 tool call")).to_be_visible()
    expect(rows(inspector, "model")).to_have_count(2)
    expect(rows(inspector, "model").first).to_contain_text("offline")
    expect(rows(inspector, "model").first).to_contain_text("tokens")
    left = [rows(inspector, "model").nth(place).locator(".bar").bounding_box() for place in range(2)]
    assert left[0]["x"] < left[1]["x"]

    rows(inspector, "model").last.click()
    expect(detail(inspector)).to_contain_text("Sent: 4 messages")
    expect(detail(inspector).locator("details.sent").last).to_contain_text("17 * 3 = 51")
    detail(inspector).get_by_text("parameters:").click()
    expect(detail(inspector)).to_contain_text("_type: ")
    rows(inspector, "tool").click()
    expect(detail(inspector)).to_contain_text("expression")
    expect(detail(inspector).locator("details.sent")).to_contain_text("51")


def test_what_was_said_is_shown_as_text_and_nothing_else(inspector: Inspector) -> None:
    inspector.talk(HOSTILE, "4", assistant="react")
    inspector.view("Trace")
    rows(inspector, "model").first.click()
    expect(detail(inspector).locator("pre").last).to_contain_text("<script>document.title=2</script>")
    assert inspector.page.locator(".trace img, .trace script").count() == 0
    assert inspector.page.title() not in ("1", "2")


def test_a_run_under_way_grows_while_one_looks(slow_inspector: Inspector) -> None:
    slow_inspector.open()
    slow_inspector.send("tell me a story", assistant="react")
    slow_inspector.view("Trace")
    expect(rows(slow_inspector, "model").filter(has_text="under way")).to_have_count(1)
    rows(slow_inspector, "model").click()
    expect(detail(slow_inspector)).to_contain_text("running")
    expect(slow_inspector.status).to_have_text("idle")
    expect(detail(slow_inspector)).to_contain_text("First token after")
    expect(rows(slow_inspector, "model").filter(has_text="under way")).to_have_count(0)


def test_it_is_downloaded_as_one_json_file(inspector: Inspector) -> None:
    inspector.talk("what is 2 + 2?", "4", assistant="react")
    inspector.view("Trace")
    with inspector.page.expect_download() as download:
        inspector.page.get_by_role("button", name="Download").click()
    trace = json.loads(Path(download.value.path()).read_text())
    assert download.value.suggested_filename == f"trace-{trace['run']['run_id']}.json"
    assert any(span["kind"] == "model" for span in trace["spans"])


def test_a_thumb_and_a_note_are_kept_with_the_run(inspector: Inspector) -> None:
    inspector.talk("what is 2 + 2?", "4", assistant="react")
    inspector.view("Trace")
    page = inspector.page
    page.get_by_role("button", name="Bad").click()
    expect(page.get_by_text("Kept with the run.")).to_be_visible()
    page.get_by_label("Note").fill("It shows no working.")
    page.get_by_role("button", name="Save the note").click()
    [run] = inspector.api("GET", f"/threads/{inspector.thread_id}/runs")
    path = f"/threads/{inspector.thread_id}/runs/{run['run_id']}/feedback"
    page.reload()
    expect(page.get_by_label("Note")).to_have_value("It shows no working.")
    expect(page.get_by_role("button", name="Bad")).to_have_attribute("aria-pressed", "true")
    said = inspector.api("GET", path)
    assert (said["thumb"], said["note"]) == ("down", "It shows no working.")


def test_a_run_is_done_again_with_other_instructions_and_another_message(inspector: Inspector) -> None:
    page = inspector.page
    inspector.talk("what is 2 + 2?", "4", assistant="react")
    inspector.view("Trace")
    page.get_by_role("button", name="Run again from the start").click()
    form = page.get_by_role("region", name="Run again from the start")
    form.get_by_label("Message of this run").fill("what is 5 + 5?")
    form.get_by_label("instructions").fill("Count on your fingers.")
    form.get_by_role("button", name="Run again").click()
    expect(inspector.answers.last).to_contain_text("5 + 5 = 10")
    expect(inspector.questions).to_have_count(1)
    expect(inspector.status).to_have_text("idle")
    rows(inspector, "model").first.click()
    detail(inspector).locator("details.sent > summary", has_text="system").click()
    expect(detail(inspector)).to_contain_text("Count on your fingers.")
    newest = inspector.api("GET", f"/threads/{inspector.thread_id}/runs")[0]
    assert newest["kwargs"]["context"] == {"instructions": "Count on your fingers."}


def test_from_a_model_call_only_what_came_after_is_done_again(inspector: Inspector) -> None:
    page = inspector.page
    inspector.talk("what is 17 * 3?", "51", assistant="react")
    before = inspector.api("GET", f"/threads/{inspector.thread_id}/state")["values"]["messages"]
    inspector.view("Trace")
    rows(inspector, "model").last.click()
    page.get_by_role("button", name="Run again from here").click()
    form = page.get_by_role("region", name="Run again from model offline")
    expect(form.get_by_label("Message of this run")).to_have_count(0)
    form.get_by_label("temperature").fill("0.7")
    form.get_by_role("button", name="Run again").click()
    expect(page.get_by_label("Run", exact=True).locator("option")).to_have_count(2)
    expect(inspector.status).to_have_text("idle")
    expect(rows(inspector, "model")).to_have_count(1)
    after = inspector.api("GET", f"/threads/{inspector.thread_id}/state")["values"]["messages"]
    assert [one["id"] for one in after[:3]] == [one["id"] for one in before[:3]]
    assert after[3]["id"] != before[3]["id"]


def test_a_run_that_began_with_an_answer_is_done_again_with_the_same_answer(inspector: Inspector) -> None:
    page = inspector.page
    body = {"graph_id": "react", "name": "Cautious", "context": {"approve_tools": ["calculator"]}}
    assistant = inspector.api("POST", "/assistants", body)["assistant_id"]
    inspector.open()
    page.get_by_label("Graph or assistant").select_option(assistant)
    inspector.send("what is 3 * 4?")
    page.get_by_role("region", name="The agent asks").get_by_role("button", name="Answer").click()
    expect(inspector.answers.last).to_contain_text("3 * 4 = 12")
    expect(inspector.status).to_have_text("idle")
    inspector.view("Trace")
    expect(page.get_by_label("Run", exact=True).locator("option")).to_have_count(2)
    page.get_by_role("button", name="Run again from the start").click()
    form = page.get_by_role("region", name="Run again from the start")
    expect(form.get_by_label("approve_tools")).to_have_value("calculator")
    form.get_by_role("button", name="Run again").click()
    expect(page.get_by_label("Run", exact=True).locator("option")).to_have_count(3)
    expect(inspector.status).to_have_text("idle")
    first, second, *_ = inspector.api("GET", f"/threads/{inspector.thread_id}/runs")
    assert first["kwargs"]["command"] == second["kwargs"]["command"] is not None
    expect(inspector.answers.last).to_contain_text("3 * 4 = 12")


def test_a_graph_without_a_context_says_why_there_is_no_model_to_choose(page: Page, trial: ServerProcess) -> None:
    foreign = Inspector(page, trial)
    foreign.open()
    page.get_by_label("Graph or assistant").select_option(label="steps")
    page.get_by_label("Input as JSON", exact=True).fill('{"path": ["here"]}')
    page.get_by_role("button", name="Send").click()
    foreign.view("Trace")
    page.get_by_role("button", name="Run again from the start").click()
    form = page.get_by_role("region", name="Run again from the start")
    expect(form).to_contain_text("This graph declares no context")
    form.get_by_label("Input of this run, as JSON").fill('{"path": ["there"]}')
    form.get_by_role("button", name="Run again").click()
    expect(page.get_by_label("Run", exact=True).locator("option")).to_have_count(2)
    expect(foreign.status).to_have_text("idle")
    values = foreign.api("GET", f"/threads/{foreign.thread_id}/state")["values"]
    assert values["path"][0] == "there"
